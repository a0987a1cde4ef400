"""Each kind of stored webhook is projected, parked or tried later."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.errors import NeverProjected, Unavailable, Unreadable
from codat_hub.product_events.domain.stored_webhook import StoredWebhook
from codat_hub.product_events.domain.woken import Woken
from codat_hub.product_events.usecases.project_reads import FailedType, Report
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from tests.support.builders import COMPANY, CONNECTION, a_read_completed, a_read_payload, an_event
from tests.support.histories import PRODUCT, a_read, a_removal, as_webhook, at, entry
from tests.support.interleaving import NOW, World

READ = as_webhook(a_read(1))


@pytest.fixture
def world():
    world = World()
    world.registry.registered = {PRODUCT: "custom", "lending": "standard"}
    return world


def project(world, *webhooks):
    return [world.projector()(webhook) for webhook in webhooks][-1]


def test_a_read_is_published_then_remembered(world):
    assert project(world, READ) == Report("published")
    (event,) = world.bus.published
    assert event.detail()["product"] == PRODUCT
    assert world.state.last_read_at == event.read.at


def test_a_refused_publication_changes_no_state_and_the_next_try_publishes(world):
    world.bus.refusals = 1
    with pytest.raises(Unavailable):
        project(world, READ)
    assert world.read_states.writes == 0
    assert project(world, READ) == Report("published")


def test_a_portal_recovery_is_not_published_and_writes_nothing(world):
    project(world, READ)
    writes = world.read_states.writes + world.companies.writes
    assert project(world, replace(READ, webhook_id="msg-recovered")) == Report("repeated")
    assert world.read_states.writes + world.companies.writes == writes
    assert len(world.bus.published) == 1


def test_a_read_of_a_known_company_costs_one_write(world):
    project(world, READ)
    assert (world.read_states.writes, world.companies.writes) == (1, 1)  # the company is new
    project(world, as_webhook(a_read(2, since=1)))
    assert (world.read_states.writes, world.companies.writes) == (2, 1)


def test_an_unknown_company_is_added_to_the_directory(world):
    project(world, READ)
    assert world.companies.get(COMPANY)[1] == 1


def test_a_plain_read_names_the_companys_standard_products(world):
    payload = {"id": COMPANY, "name": "H", "products": ["lending", PRODUCT, "unregistered"]}
    project(world, StoredWebhook("msg-c", an_event("company.created", payload)))
    project(world, StoredWebhook("msg-r", a_read_completed(product=None)))
    detail = world.bus.published[0].detail()
    assert detail["product"] == "standard"
    assert detail["standard_products"] == ["lending", "unregistered"]


@pytest.mark.parametrize("status", [AssignmentStatus.ADDING, AssignmentStatus.ASSIGNED])
def test_a_plain_read_names_a_product_that_only_the_hub_knows_of(world, status):
    world.assignments.put(Assignment(COMPANY, "lending", status), 0)
    project(world, StoredWebhook("msg-r", a_read_completed(product=None)))
    assert world.bus.published[0].detail()["standard_products"] == ["lending"]


@pytest.mark.parametrize(
    "status", [AssignmentStatus.ABSENT, AssignmentStatus.REMOVING, AssignmentStatus.STALE]
)
def test_a_plain_read_does_not_name_a_product_being_removed(world, status):
    world.assignments.put(Assignment(COMPANY, "lending", status), 0)
    project(world, StoredWebhook("msg-r", a_read_completed(product=None)))
    assert not world.bus.published[0].detail()["standard_products"]


def test_plain_reads_and_a_product_called_standard_are_kept_apart(world):
    plain = as_webhook(a_read(1, product=None))
    custom = as_webhook(a_read(1, product="standard", event_id="other"))
    assert project(world, plain).outcome == project(world, custom).outcome == "published"
    assert len({event.event_key for event in world.bus.published}) == 2


def test_an_unregistered_product_is_published_and_reported(world):
    assert project(world, as_webhook(a_read(1, product="new"))).unregistered == "new"
    assert world.bus.published[0].detail()["product"] == "new"


def test_failed_types_are_reported_with_the_integration_where_it_is_known(world):
    connection = {"id": CONNECTION, "status": "Linked", "integrationKey": "gbol"}
    linked = {"referenceCompany": {"id": COMPANY}, "connection": connection}
    project(world, StoredWebhook("msg-l", an_event("connection.connected", linked)))
    entries = [
        a_read_payload()["dataTypes"][0] | {"status": "FetchError"},
        a_read_payload()["dataTypes"][0] | {"connectionId": "other", "status": "MapError"},
    ]
    report = project(world, StoredWebhook("msg-r", a_read_completed(dataTypes=entries)))
    assert report.failed == (
        FailedType("invoices", "gbol", "FetchError"),
        FailedType("invoices", "unknown", "MapError"),
    )


def test_a_removal_is_kept_by_the_directory_and_answered_by_the_next_read(world):
    project(world, READ, as_webhook(a_removal(2, connection="a")))
    project(world, as_webhook(a_read(3, since=1)))
    assert world.bus.published[-1].detail()["data_types"][0]["full_load"] is True


def test_a_read_that_ends_after_the_hub_removed_its_product_is_counted_and_wakes(world):
    removed = Assignment(
        COMPANY, PRODUCT, AssignmentStatus.REMOVING, changed_at=at(0.5), removed_at=at(0.5)
    )
    world.assignments.put(removed, 0)
    woken = []
    projector = replace(world.projector(), wake=lambda *read: woken.append(read) or Woken())
    assert projector(READ).outcome == "off"
    assert (world.bus.published, world.read_states.writes, len(woken)) == ([], 0, 1)


def test_a_removal_known_to_the_version_before_hides_no_read_of_a_product_that_is_there(world):
    """It stored removals and no additions; the assignment or Codat's list shows the product."""
    project(world, as_webhook(a_removal(0.2)))
    assert project(world, READ).outcome == "off"
    world.assignments.put(Assignment(COMPANY, PRODUCT, AssignmentStatus.ASSIGNED, at(0.5)), 0)
    assert project(world, READ).outcome == "published"


def test_a_read_is_projected_even_if_the_assignment_cannot_be_read(world, monkeypatch):
    def unreadable(*_):
        raise Unreadable("PRODUCT")

    monkeypatch.setattr(world.assignments, "get", unreadable)
    assert project(world, READ).outcome == "published"


def test_a_repeated_or_older_company_event_writes_nothing(world):
    removal = as_webhook(a_removal(2, connection="a"))
    assert project(world, removal) == Report("applied")
    assert project(world, removal) == Report("unchanged")
    assert project(world, as_webhook(a_removal(1, connection="a"))) == Report("unchanged")
    assert world.companies.writes == 1


class TestRateLimit:
    def notice(self, kind, at, expiry=None):
        payload = {"dailyQuota": 1000, "quotaRemaining": 0, "expiryDate": expiry}
        body = an_event(f"client.rateLimit.{kind}", payload, generatedDate=at.isoformat())
        return StoredWebhook(f"msg-{kind}", body)

    def test_reached_blocks_calls_until_midnight_and_reset_allows_them(self, world):
        reached = self.notice("reached", NOW - timedelta(minutes=5), "2026-07-02T23:59:99Z")
        reached_late = self.notice("reached", NOW + timedelta(hours=1), "2026-07-03T23:59:99Z")
        assert project(world, reached) == Report("unchanged")  # its midnight has passed
        assert project(world, reached_late) == Report("applied")
        limit, _ = world.rate_limits.get()
        assert limit.reached_until == NOW + timedelta(days=1)
        reset = self.notice("reset", NOW + timedelta(hours=2))
        assert project(world, reset) == Report("applied")
        assert project(world, reached_late) == Report("unchanged")
        assert world.rate_limits.get()[0] == RateLimitNotice(world.rate_limits.get()[0].stamp, None)


@pytest.mark.parametrize("kind", ["bills.write.successful", "AccountCategoriesUpdated"])
def test_events_of_writes_and_other_solutions_are_ignored(world, kind):
    body = an_event(kind, {"referenceCompany": {"id": COMPANY}})
    assert project(world, StoredWebhook("msg", body)) == Report("ignored")


def test_a_quarantined_webhook_stays_in_quarantine(world):
    assert project(world, StoredWebhook("msg", b"[]", "not an object")) == Report("quarantined")
    assert not world.parking.parked


def test_a_quarantined_webhook_is_projected_once_it_is_recognised(world):
    assert project(world, replace(READ, quarantine="unknown event type")) == Report("published")


class TestParking:
    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"\xff", a_read_completed(dataTypes=[1]), a_read_completed(dataTypes=[{}])],
    )
    def test_a_malformed_webhook_is_parked_under_its_webhook_id(self, world, body):
        assert project(world, StoredWebhook("msg-odd", body)) == Report("parked")
        assert set(world.parking.parked) == {"msg-odd"}
        assert not world.bus.published

    def test_a_read_whose_item_is_too_large_is_parked(self, world, monkeypatch):
        def refuse(*_args):
            raise NeverProjected("item too large")

        monkeypatch.setattr(world.read_states, "put", refuse)
        assert project(world, READ) == Report("parked")
        assert world.parking.parked == {"msg-1": "item too large"}

    def test_a_fault_of_the_hub_parks_the_webhook(self, world, monkeypatch):
        monkeypatch.setattr(world.read_states, "get", lambda *_: 1 / 0)
        assert project(world, READ) == Report("parked")
        assert world.parking.parked == {"msg-1": "fault: ZeroDivisionError"}

    def test_it_is_parked_no_longer_than_the_inbox_keeps_it(self, world):
        expires = NOW + timedelta(days=45)
        project(world, StoredWebhook("msg-odd", b"[]", expires_at=expires))
        project(world, replace(a_read_with(None), expires_at=expires))
        assert world.parking.until == {"msg-odd": expires, "msg-1#1": expires}

    @pytest.mark.parametrize("port", ["read_states", "companies"])
    def test_an_unavailable_table_parks_nothing(self, world, monkeypatch, port):
        def fail(*_args):
            raise Unavailable("no answer")

        monkeypatch.setattr(getattr(world, port), "get", fail)
        with pytest.raises(Unavailable):
            project(world, READ)
        assert not world.parking.parked


def a_read_with(*unusable, hours=1):
    """Return a webhook with a usable entry, then unusable ones."""
    webhook = as_webhook(a_read(hours, since=0))
    event = json.loads(webhook.body)
    event["payload"]["dataTypes"] += unusable
    return replace(webhook, body=json.dumps(event).encode())


NO_STATUS = {"dataType": "payments", "connectionId": "a"}
NO_CONNECTION = {"dataType": "payments", "connectionId": None, "status": "Complete"}


class TestUnusableEntries:
    @pytest.mark.parametrize("entry", [None, NO_STATUS, NO_CONNECTION, "invoices"])
    def test_an_unusable_entry_is_parked_alone_and_the_others_are_published(self, world, entry):
        woken = []
        projector = replace(world.projector(), wake=lambda *read: woken.append(read) or Woken())
        report = projector(a_read_with(entry, None))
        assert (report.outcome, report.parked_entries) == ("published", 2)
        assert list(world.parking.parked) == ["msg-1#1", "msg-1#2"]
        assert len(world.bus.published[0].windows) == 1
        assert len(woken) == 1

    @pytest.mark.parametrize("unusable", [0, 101])
    def test_a_read_without_usable_entries_or_with_too_many_others_is_parked_whole(
        self, world, unusable
    ):
        webhook = a_read_with(*[None] * unusable) if unusable else as_webhook(a_read(1))
        if not unusable:
            webhook = replace(webhook, body=a_read_completed(dataTypes=[None]))
        woken = []
        projector = replace(world.projector(), wake=lambda *read: woken.append(read) or Woken())
        assert projector(webhook).outcome == "parked"
        assert list(world.parking.parked) == ["msg-1"]
        assert (len(woken), world.bus.published) == (1, [])

    def test_a_read_that_can_never_be_published_ends_leases_too(self, world, monkeypatch):
        def refuse(_event):
            raise NeverProjected("too large")

        monkeypatch.setattr(world.bus, "publish", refuse)
        woken = []
        projector = replace(world.projector(), wake=lambda *read: woken.append(read) or Woken())
        assert projector(READ).outcome == "parked"
        assert len(woken) == 1

    def test_an_entry_that_became_usable_is_published_by_its_own_key_once(self, world):
        project(world, a_read_with(NO_STATUS))
        # A newer version of the hub takes what this one does not.
        repaired = replace(a_read_with(NO_STATUS | {"status": "Complete"}), entry=1)
        assert project(world, repaired).outcome == "published"
        assert project(world, repaired).outcome == "repeated"
        (entry, window) = world.bus.published[1].windows[0]
        assert (entry.key.data_type, window.full_load) == ("payments", True)
        assert len({event.event_key for event in world.bus.published}) == 2


def test_a_portal_example_with_invented_ids_changes_no_real_company(world):
    project(world, READ)
    before = world.state
    example = json.loads(a_read_completed(product=None))
    example["payload"]["referenceCompany"]["id"] = "0498e921-9b53-4396-a412-4f2f5983b0a2"
    assert project(world, StoredWebhook("m", json.dumps(example).encode())).outcome == "published"
    assert world.state == before


def test_a_read_that_loses_every_race_is_tried_later(world, monkeypatch):
    monkeypatch.setattr(world.read_states, "put", lambda *_: False)
    with pytest.raises(Unavailable):
        project(world, READ)
    assert len(world.bus.published) == 1  # the first event covers every later decision


def test_after_a_lost_race_an_event_that_the_first_does_not_cover_is_published(world, monkeypatch):
    """A removal meanwhile: the first event was incremental, the second is a full load."""
    project(world, READ)
    put = world.read_states.put

    def put_after_a_removal_and_another_read(*arguments):
        monkeypatch.setattr(world.read_states, "put", put)
        project(world, as_webhook(a_removal(2, connection="a")))
        project(world, as_webhook(a_read(4, entry("payments"), since=1)))
        return put(*arguments)

    monkeypatch.setattr(world.read_states, "put", put_after_a_removal_and_another_read)
    project(world, as_webhook(a_read(3, since=1)))
    invoices = [event for event in world.deduplicated if event.read.webhook_id == "msg-3"]
    assert [event.windows[0][1].full_load for event in invoices] == [False, True]


def test_a_read_is_projected_even_if_the_lease_cannot_be_read(world):
    def wake(*_):
        raise Unreadable("the lease cannot be read")

    assert replace(world.projector(), wake=wake)(READ) == Report("published")
    assert not world.parking.parked


def test_a_connection_cut_20_hours_ahead_does_not_hide_later_news(world):
    def of_connection(change, status, received, ahead):
        connection = {"id": CONNECTION, "status": status}
        payload = {"referenceCompany": {"id": COMPANY}, "connection": connection}
        dates = {"id": change, "generatedDate": (received + ahead).isoformat()}
        body = an_event(f"connection.{change}", payload, **dates)
        return StoredWebhook(f"msg-{change}", body, received_at=received)

    project(
        world,
        of_connection("disconnected", "Deauthorized", NOW, timedelta(hours=20)),
        of_connection("reconnected", "Linked", NOW + timedelta(hours=1), timedelta()),
    )
    assert world.companies.get(COMPANY)[0].linked
