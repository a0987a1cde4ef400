"""Reconcile against the sandbox: what it finds, what it mends, what it leaves to a person."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.errors import WrongClient
from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.companies.domain.assignment import Status
from codat_hub.companies.domain.company import DELETED
from codat_hub.companies.domain.consent import ConsentEntry
from codat_hub.product_events.domain.read_event import Key
from codat_hub.product_events.domain.read_state import KeyState, KnownRead, ReadState
from codat_hub.reconcile.domain.drift import Kind
from codat_hub.reconcile.domain.reconcile_run import MOST_TROUBLES
from codat_hub.reconcile.domain.reconcile_run import Status as RunStatus
from codat_hub.storage.items import ItemKey
from tools.simulation.reconciling import API, PRODUCTS, Codats, Hub, OnDynamoDB
from tools.simulation.tables import create_table

URL = f"https://{API}.execute-api.eu-west-2.amazonaws.com/dev/webhooks/codat"


@pytest.fixture
def codat():
    return Codats(companies=20)


@pytest.fixture
def hub(codat):
    made = Hub(codat)
    made.register()
    return made


@pytest.fixture
def on_dynamodb(dynamodb, codat):
    table = OnDynamoDB(dynamodb, create_table(dynamodb, "StateTable"))
    made = Hub(codat, table, ConsentLedger(dynamodb, create_table(dynamodb, "ConsentsTable")))
    made.register()
    return made


@pytest.fixture
def in_step(hub):
    """A hub that agrees with Codat about every company."""
    hub.assign_everything()
    assert hub.run().status is RunStatus.COMPLETE
    hub.clock.ahead += timedelta(minutes=2)
    hub.table.puts.clear()
    hub.codat.forget_requests()
    return hub


def kinds(hub, run):
    return Counter(one.kind for one in hub.drift(run))


def of_companies(hub, run):
    """Return the drift about companies."""
    return [one for one in hub.drift(run) if one.company_id]


def first(hub, product):
    return next(one for one in hub.codat.companies.values() if product in one.products)


def test_an_empty_directory_is_imported_whole(hub):
    run = hub.run()

    assert run.status is RunStatus.COMPLETE
    assert kinds(hub, run)[Kind.COMPANY_UNKNOWN] == 20
    theirs = hub.codat.companies
    ours = hub.companies.get_many(theirs)
    assert {one.name for one in ours.values()} == {one.name for one in theirs.values()}
    for company_id, entry in ours.items():
        assert set(entry.products) == set(theirs[company_id].products)
        statuses = {one.id: one.status for one in theirs[company_id].connections.values()}
        assert {name: one.status for name, one in entry.connections.items()} == statuses
    unknown = [one for one in hub.drift(run) if one.kind is Kind.COMPANY_UNKNOWN]
    assert all(one.mended for one in unknown)


def test_on_dynamodb_a_killed_run_goes_on_and_the_next_writes_nothing(on_dynamodb):
    hub = on_dynamodb
    run = hub.begin("test")
    with pytest.raises(KeyboardInterrupt):
        hub.go_on(run, killed_after(2))
    hub.clock.ahead += timedelta(minutes=6)
    assert hub.restarted().go_on(run) is True
    kept, _ = hub.runs.get(run.reconcile_id)
    assert kinds(hub, kept)[Kind.COMPANY_UNKNOWN] == 20
    for product in PRODUCTS:
        hub.consent(first(hub, product.identifier).id, product.identifier)

    hub.clock.ahead += timedelta(minutes=2)
    hub.table.puts.clear()
    again = hub.run()
    assert again.status is RunStatus.COMPLETE
    assert not [name for name in hub.table.puts if name.startswith("COMPANY")]
    assert hub.runs.latest() == [again, kept]


def test_products_without_consent_are_listed_and_never_removed(hub):
    run = hub.run()

    without = [one for one in hub.drift(run) if one.kind is Kind.PRODUCT_WITHOUT_CONSENT]
    assigned = sum(len(one.products) for one in hub.codat.companies.values())
    assert (len(without), run.drift[Kind.PRODUCT_WITHOUT_CONSENT]) == (assigned, assigned)
    assert run.unsafe >= assigned
    assert not any(one.mended for one in without)
    assert not [call for call in hub.codat.requests() if call[0] == "DELETE"]
    for company in hub.codat.companies.values():
        assert hub.assignments.of_company(company.id) == []


def test_a_second_run_of_an_unchanged_client_writes_nothing_about_companies(in_step):
    run = in_step.run()

    assert of_companies(in_step, run) == []
    assert {name for name in in_step.table.puts if name.startswith("COMPANY")} == set()
    calls = in_step.codat.requests()
    assert calls == {
        ("GET", "/profile/syncSettings"): 2,
        ("GET", "/webhooks"): 1,
        ("GET", "/companies"): 1,
        ("GET", "/companies/*/syncSettings"): 10,
    }
    assert run.counts["codat_calls"] == sum(calls.values())


def test_a_product_that_codat_has_and_a_consent_covers_is_counted_as_assigned(in_step):
    company = first(in_step, "lending")
    in_step.consent(company.id, "lending", Status.ABSENT)

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended) == (Kind.PRODUCT_UNASSIGNED, True)
    assignment, _ = in_step.assignments.get(company.id, "lending")
    assert (assignment.status, assignment.changed_by) == (Status.ASSIGNED, "reconcile")


@pytest.mark.parametrize("status", [Status.ABSENT, Status.STALE, Status.ADDING, Status.ASSIGNED])
def test_a_consent_that_lacks_a_data_type_covers_nothing(in_step, status):
    company = first(in_step, "invoice-finance")
    in_step.consent(company.id, "invoice-finance", status, data_types=("invoices", "payments"))

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended) == (Kind.PRODUCT_WITHOUT_CONSENT, False)
    assert drift.detail.endswith("without one: customers")
    assert in_step.assignments.get(company.id, "invoice-finance")[0].status is status


def test_an_assignment_that_codat_does_not_have_is_left_to_a_person(in_step):
    company = first(in_step, "invoice-finance")
    company.products.remove("invoice-finance")

    run = in_step.run()

    found = {one.kind: one for one in of_companies(in_step, run)}
    assert set(found) == {Kind.ASSIGNMENT_GONE, Kind.COMPANY_OUTDATED}
    assert not found[Kind.ASSIGNMENT_GONE].mended
    entry, _ = in_step.companies.get(company.id)
    assert "invoice-finance" not in entry.products
    assert "invoice-finance" in entry.removed_products, "the next read of it is a full load"


@pytest.mark.parametrize(
    ("status", "at_codat", "kind", "then"),
    [
        (Status.STALE, True, Kind.ASSIGNMENT_STALE, Status.ASSIGNED),
        (Status.STALE, False, Kind.ASSIGNMENT_STALE, Status.ABSENT),
        (Status.ADDING, True, Kind.INTENT_LEFT, Status.ASSIGNED),
        (Status.ADDING, False, Kind.INTENT_LEFT, Status.ABSENT),
        (Status.REMOVING, False, Kind.INTENT_LEFT, Status.ABSENT),
        (Status.REMOVING, True, Kind.INTENT_LEFT, Status.ABSENT),
    ],
)
def test_what_was_begun_or_in_doubt_is_settled(in_step, status, at_codat, kind, then):
    company = first(in_step, "invoice-finance")
    in_step.consent(company.id, "invoice-finance", status)
    if not at_codat:
        company.products.remove("invoice-finance")

    run = in_step.run()

    (drift,) = [one for one in of_companies(in_step, run) if one.kind is kind]
    assert drift.mended
    assert in_step.assignments.get(company.id, "invoice-finance")[0].status is then
    asked_to_remove = status is Status.REMOVING and at_codat
    removals = in_step.codat.requests()[("DELETE", "/companies/*/products/invoice-finance")]
    assert removals == asked_to_remove
    assert "invoice-finance" not in company.products or then is Status.ASSIGNED


def test_a_copied_consent_that_the_ledger_knows_to_be_revoked_assigns_nothing(in_step):
    company = first(in_step, "lending")
    in_step.consent(company.id, "lending", Status.STALE)
    given = in_step.ledger.newest(company.id, "lending")
    revoked = replace(given.consent, revoked_at=in_step.clock())
    assert in_step.ledger.append(company.id, ConsentEntry(given.number + 1, revoked, "ann"))

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended) == (Kind.ASSIGNMENT_STALE, False)
    assert in_step.assignments.get(company.id, "lending")[0].status is Status.STALE


@pytest.mark.parametrize("status", [Status.ADDING, Status.REMOVING])
def test_an_intent_of_this_moment_is_somebodys_work(in_step, status):
    company = first(in_step, "invoice-finance")
    ago = in_step.clock() - timedelta(minutes=14)
    in_step.consent(company.id, "invoice-finance", status, at=ago)

    assert of_companies(in_step, in_step.run()) == []
    assert in_step.assignments.get(company.id, "invoice-finance")[0].status is status


def test_a_connection_that_was_cut_or_deleted_is_learned(in_step):
    linked = [
        company
        for company in in_step.codat.companies.values()
        if [one.status for one in company.connections.values()] == ["Linked"]
    ]
    cut, deleted = linked[:2]
    for connection in cut.connections.values():
        connection.status = "Unlinked"
    (gone,) = deleted.connections
    deleted.connections.clear()

    run = in_step.run()

    found = of_companies(in_step, run)
    assert [one.kind for one in found] == [Kind.CONNECTION_STATUS] * 2
    assert all(one.mended for one in found)
    assert not in_step.companies.get(cut.id)[0].linked
    entry, _ = in_step.companies.get(deleted.id)
    assert entry.connections[gone].status == DELETED
    assert gone in entry.removed_connections, "a full load, should it come back"


def test_news_of_a_later_event_is_not_undone_by_an_older_list(in_step):
    company = first(in_step, "lending")
    (connection_id, *_) = company.connections
    company.connections[connection_id].status = "Unlinked"
    in_step.clock.ahead -= timedelta(minutes=3)  # as if Codat's list were older than our news

    run = in_step.run()

    assert of_companies(in_step, run) == []


def test_a_mend_that_meets_what_cannot_be_read_leaves_it_and_the_run_goes_on(in_step):
    gone = first(in_step, "invoice-finance")
    del in_step.codat.companies[gone.id]
    in_step.table.spoil(ItemKey(f"COMPANY#{gone.id}", "PRODUCT#invoice-finance"), status="paused")

    run = in_step.run()

    assert run.status is RunStatus.COMPLETE
    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended, drift.company_id) == (Kind.COMPANY_GONE, False, gone.id)


def test_a_deleted_company_is_marked_and_its_products_are_absent(in_step):
    gone = first(in_step, "invoice-finance")
    del in_step.codat.companies[gone.id]

    run = in_step.run()

    (drift,) = of_companies(in_step, run)
    assert (drift.kind, drift.mended, drift.company_id) == (Kind.COMPANY_GONE, True, gone.id)
    assert in_step.companies.get(gone.id)[0].deleted_at is not None
    statuses = {one.status for one in in_step.assignments.of_company(gone.id)}
    assert statuses == {Status.ABSENT}
    in_step.codat.forget_requests()
    assert of_companies(in_step, in_step.run()) == []
    assert ("GET", "/companies/*") not in in_step.codat.requests(), "it is asked for no more"


def test_both_kinds_of_sync_settings_at_once_are_unsafe(in_step):
    run = in_step.run()

    found = {one.kind: one for one in in_step.drift(run)}
    assert "10 companies have custom products" in found[Kind.BOTH_SYNC_SETTINGS].detail
    assert "payments every 1 h" in found[Kind.BOTH_SYNC_SETTINGS].detail
    in_step.codat.sandbox.world.state.client_settings.overrides_defaults = False
    found = {one.kind for one in in_step.drift(in_step.run())}
    assert Kind.BOTH_SYNC_SETTINGS not in found


def test_a_companys_own_settings_count_only_with_a_custom_product(in_step):
    for company in in_step.codat.companies.values():
        if company.override and "lending" in company.products:
            company.products.append("invoice-finance")
            in_step.consent(company.id, "invoice-finance")

    run = in_step.run()

    found = {one.company_id for one in in_step.drift(run) if one.kind is Kind.OVERRIDE_ACTIVE}
    assert found == {one.id for one in in_step.codat.companies.values() if one.override}


def test_products_that_nobody_registered_are_told_once_each(in_step):
    for company in list(in_step.codat.companies.values())[:7]:
        company.products.append("payables")

    run = in_step.run()

    (drift,) = [one for one in in_step.drift(run) if one.kind is Kind.PRODUCT_UNREGISTERED]
    assert (drift.product, drift.detail) == ("payables", "7 companies have it at Codat")


def test_consumers_are_compared_with_what_the_hub_needs(in_step):
    codat = in_step.codat.client
    codat.create_webhook_consumer(f"{URL}/platform", ["read.completed"])
    subs = ["cashflow-insights.read.completed", "cashflow-insights.read.completed.initial"]
    codat.create_webhook_consumer(f"{URL}/cashflow", subs)
    elsewhere = URL.replace(API, "other1")
    codat.create_webhook_consumer(f"{elsewhere}/platform", ["read.completed"])
    codat.create_webhook_consumer("https://example.com/hook", ["read.completed"])
    in_step.secrets.kept = ["platform", "old"]

    run = in_step.run()

    found = {(one.kind, one.product or one.subject) for one in in_step.drift(run)}
    assert found >= {
        (Kind.CONSUMER_MISSING, "invoice-finance"),
        (Kind.CONSUMER_DOUBLED, "cashflow-insights.read.completed"),
        (Kind.CONSUMER_ELSEWHERE, f"{elsewhere}/platform"),
        (Kind.SECRET_MISSING, f"{URL}/cashflow"),
        (Kind.SECRET_UNUSED, "old"),
        (Kind.EVENT_UNSUBSCRIBED, "connection.connected"),
    }
    assert (Kind.CONSUMER_MISSING, "lending") not in found
    assert not any("example.com" in str(one) for one in found)


def test_the_latest_run_comes_first_and_a_page_goes_on_from_there(hub):
    begun = []
    for _ in range(3):
        begun.insert(0, hub.run().reconcile_id)
        hub.clock.ahead += timedelta(seconds=1)
    assert [one.reconcile_id for one in hub.runs.latest(limit=2)] == begun[:2]
    assert [one.reconcile_id for one in hub.runs.latest(before=begun[1])] == begun[2:]


class TestWebhooksThatNeverCame:
    """Codat's datasets of the seed are old; the hub has never been told of any read."""

    @pytest.fixture
    def late(self, in_step):
        """The companies that have the scheduled product and can be read, two days on."""
        in_step.clock.ahead += timedelta(days=2)
        return {
            one.id
            for one in in_step.codat.companies.values()
            if "invoice-finance" in one.products and in_step.companies.get(one.id)[0].linked
        }

    def asked(self, hub):
        return hub.codat.requests()[("GET", "/companies/*/dataStatus")]

    def missing(self, hub, run):
        return {one.company_id: one for one in hub.drift(run) if one.kind is Kind.WEBHOOK_MISSING}

    def test_what_cannot_be_read_is_passed_over_and_the_rest_is_told(self, in_step, late):
        entry, assignment, reads, other, *_ = sorted(late)
        keys = [
            ItemKey(f"COMPANY#{entry}", "DIRECTORY"),
            ItemKey(f"COMPANY#{assignment}", "PRODUCT#invoice-finance"),
            ItemKey(f"COMPANY#{reads}", "READS#invoice-finance"),
            ItemKey(f"COMPANY#{other}", "READS#cashflow-insights"),  # looked at with the rest
        ]
        for key in keys[2:]:
            in_step.table.put(key, {"last_read_at": "noon"}, 0)
        for key in keys[:2]:
            in_step.table.spoil(key, listed=["noon", "e"], status="paused")
        before = [in_step.table.items[key] for key in keys]
        run = in_step.run()
        assert run.status is RunStatus.COMPLETE
        assert set(self.missing(in_step, run)) == late - {entry, assignment, reads, other}
        assert {one.kind for one in of_companies(in_step, run)} == {Kind.WEBHOOK_MISSING}
        assert [in_step.table.items[key] for key in keys] == before
        assert self.asked(in_step) == len(late) - 4

    def test_companies_late_by_their_cadence_are_asked_about_and_no_others(self, in_step, late):
        run = in_step.run()

        assert self.asked(in_step) == len(late) > 0
        found = self.missing(in_step, run)
        assert found.keys() == late
        drift = next(iter(found.values()))
        assert drift.product == "invoice-finance"
        assert "invoices 20" in drift.detail
        assert drift.subject.startswith("since 20")
        assert not drift.mended

    def test_what_a_webhook_told_is_not_missing_and_the_punctual_are_not_asked_about(
        self, in_step, late
    ):
        told, punctual, *_ = sorted(late)
        keys = [("invoices", "k"), ("payments", "k"), ("customers", "k")]
        for company_id, ago in ((told, timedelta(days=2)), (punctual, timedelta(hours=1))):
            state = a_state(keys, in_step.clock() - ago)
            assert in_step.read_states.put(company_id, "invoice-finance", state, 0)

        run = in_step.run()

        assert self.asked(in_step) == len(late) - 1
        assert self.missing(in_step, run).keys() == late - {told, punctual}

    def test_a_product_without_a_schedule_is_never_late(self, in_step, late):
        in_step.register(*(replace(one, schedule=None) for one in PRODUCTS))
        in_step.run()
        assert self.asked(in_step) == 0


def a_state(keys, at):
    read = KnownRead(at, "f", {"base": "e"})
    known = {Key(*key): KeyState("Complete", read.read_id, read.read_id) for key in keys}
    return ReadState(known, (read,), at)


class TestTheBoundClient:
    @pytest.fixture
    def bound(self, codat):
        def made(client_id):
            hub = Hub(codat, client_id=client_id)
            hub.register()
            return hub

        return made

    @pytest.mark.parametrize("client_id", ["", "00000000-0000-4000-8000-000000000000"])
    def test_another_clients_companies_are_not_imported(self, bound, client_id):
        hub = bound(client_id)

        run = hub.run()

        assert run.status is RunStatus.FAILED
        assert [one.kind for one in hub.drift(run)] == [Kind.WRONG_CLIENT]
        assert run.unsafe == 1
        assert ("GET", "/companies") not in hub.codat.requests()
        assert not [name for name in hub.table.puts if name.startswith("COMPANY")]

    def test_whoever_would_change_something_at_codat_is_refused_from_then_on(self, bound):
        hub = bound("00000000-0000-4000-8000-000000000000")
        hub.run()
        hub.codat.forget_requests()
        with pytest.raises(WrongClient):
            hub.restarted().binding()
        assert not hub.codat.requests(), "remembered"


class TestResuming:
    @pytest.fixture
    def codat(self):
        return Codats(companies=210)

    def test_one_that_is_killed_goes_on_where_it_stopped(self, hub, monkeypatch):
        run = hub.begin("test")
        with pytest.raises(KeyboardInterrupt):
            hub.go_on(run, killed_after(3))
        pages = hub.codat.requests()[("GET", "/companies")]
        assert pages == 2
        assert hub.restarted().go_on(run) is False, "its lease may still be somebody's"

        hub.clock.ahead += timedelta(minutes=6)
        assert hub.restarted().go_on(run) is True

        kept, _ = hub.runs.get(run.reconcile_id)
        assert (kept.status, kept.resumed) == (RunStatus.COMPLETE, 1)
        assert hub.codat.requests()[("GET", "/companies")] == 3, "no page twice"
        assert kept.counts["companies"] == kept.counts["directory"] == 210
        assert kept.drift[Kind.COMPANY_UNKNOWN] == 210

    @pytest.mark.parametrize("killed_at", [1, 2, 40, 99])
    def test_what_a_killed_step_had_mended_is_told_once_and_truly(
        self, hub, monkeypatch, killed_at
    ):
        put, puts = hub.companies.put, []

        def dying(*args):
            puts.append(args)
            if len(puts) == killed_at:
                raise KeyboardInterrupt
            return put(*args)

        monkeypatch.setattr(hub.companies, "put", dying)
        run = hub.begin("test")
        with pytest.raises(KeyboardInterrupt):
            hub.go_on(run)
        hub.clock.ahead += timedelta(minutes=6)
        hub.restarted().go_on(run)

        kept, _ = hub.runs.get(run.reconcile_id)
        unknown = [one for one in hub.drift(kept) if one.kind is Kind.COMPANY_UNKNOWN]
        assert len(unknown) == len({one.company_id for one in unknown}) == 210
        assert all(one.mended for one in unknown)
        assert kept.drift[Kind.COMPANY_UNKNOWN] == 210

    def test_out_of_time_it_gives_its_lease_back_and_goes_on_at_once(self, hub):
        run = hub.begin("test")
        ticks = iter([True, True, False])
        assert hub.go_on(run, lambda: next(ticks)) is False
        assert hub.restarted().go_on(run) is True
        kept, _ = hub.runs.get(run.reconcile_id)
        assert (kept.resumed, kept.counts["companies"]) == (0, 210)

    def test_codats_limit_is_waited_for_without_calls(self, hub):
        hub.codat.portal("faults", path="/companies$", status=429, headers={"Retry-After": "900"})
        run = hub.begin("test")
        assert hub.go_on(run) is False
        kept, _ = hub.runs.get(run.reconcile_id)
        assert kept.waiting_until is not None
        hub.codat.forget_requests()
        hub.clock.ahead += timedelta(minutes=14)
        assert hub.restarted().go_on(run) is False
        assert not hub.codat.requests()
        hub.clock.ahead += timedelta(minutes=2)
        assert hub.restarted().go_on(run) is True

    def test_troubles_pass_by_themselves_and_end_it_if_they_do_not(self, hub):
        hub.codat.portal("faults", path="/companies$", status=503, times=MOST_TROUBLES - 1)
        run = hub.begin("test")
        tries = [hub.go_on(run) for _ in range(MOST_TROUBLES - 1)]
        assert not any(tries)
        assert hub.go_on(run) is True
        assert hub.runs.get(run.reconcile_id)[0].status is RunStatus.COMPLETE

        hub.codat.portal("faults", path="/companies$", status=503, times=MOST_TROUBLES)
        run = hub.begin("test")
        for _ in range(MOST_TROUBLES):
            hub.go_on(run)
        kept, _ = hub.runs.get(run.reconcile_id)
        assert kept.status is RunStatus.FAILED
        assert "HTTP 503" in kept.error

    def test_one_company_that_codat_cannot_answer_for_does_not_fail_the_whole_run(self, hub):
        hub.codat.portal("faults", path="/[0-9a-f-]{36}/syncSettings", status=500, times=40)
        run = hub.begin("test")
        tries = [hub.go_on(run) for _ in range(4)]
        assert tries == [False, False, False, True]
        kept, _ = hub.runs.get(run.reconcile_id)
        assert (kept.status, kept.counts["companies"]) == (RunStatus.COMPLETE, 210)

    def test_two_do_not_run_at_once_and_a_second_request_joins_the_first(self, hub):
        run = hub.begin("first")
        assert hub.restarted().begin("second") == run
        hub.go_on(run, iter([True, False]).__next__)
        assert hub.begin("third").reconcile_id == run.reconcile_id
        hub.go_on(run)
        assert hub.begin("fourth").reconcile_id != run.reconcile_id


def killed_after(steps):
    left = iter(range(steps))

    def has_time():
        if next(left, None) is None:
            raise KeyboardInterrupt
        return True

    return has_time
