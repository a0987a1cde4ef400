"""A replay projects the selected webhooks once, however often it is interrupted."""

from dataclasses import dataclass, field, replace

import pytest

from codat_hub.errors import Unavailable
from codat_hub.product_events.domain.replay import MalformedSelection, ReplayStatus
from codat_hub.product_events.domain.stored_webhook import StoredWebhook
from codat_hub.product_events.usecases import replay_webhooks
from codat_hub.product_events.usecases.replay_webhooks import ReplayWebhooks, StartReplay
from tests.support.fakes import FakeArchive, FakeReplays
from tests.support.histories import Ledger, a_read, as_webhook, at
from tests.support.interleaving import NOW, World

READS = [a_read(hour, since=hour - 1) for hour in range(1, 8)]
EVERYTHING = {"received_from": "2026-07-01T00:00:00Z", "received_to": "2026-07-03T00:00:00Z"}


@dataclass
class Desk:
    """The ports of a replay and its operator. `fail_at`: number of a projection -> its fault."""

    world: World = field(default_factory=World)
    replays: FakeReplays = field(default_factory=FakeReplays)
    archive: FakeArchive = field(default_factory=FakeArchive)
    sent: list = field(default_factory=list)
    projected: list = field(default_factory=list)
    fail_at: dict = field(default_factory=dict)

    def send(self, replay_id):
        self.sent.append(replay_id)

    def keep(self, *webhooks):
        for webhook in webhooks:
            received = webhook.received_at or at(10)
            self.archive.webhooks[webhook.webhook_id] = replace(webhook, received_at=received)

    def start(self, selection):
        start = StartReplay(self.replays, self, lambda: NOW, lambda: f"replay-{len(self.sent)}")
        return start(selection, "ann").replay_id

    def project(self, webhook):
        self.projected.append(webhook.webhook_id)
        fault = self.fail_at.pop(len(self.projected), None)
        if fault:
            raise fault
        return self.world.projector()(webhook)

    def work(self, replay_id, has_time=lambda: True):
        parking, now = self.world.parking, lambda: NOW
        worker = ReplayWebhooks(self.replays, self.archive, parking, self.project, now)
        return worker(replay_id, has_time)

    def replay(self, selection):
        replay_id = self.start(selection)
        assert self.work(replay_id)
        return self.seen(replay_id)

    def seen(self, replay_id):
        return self.replays.get(replay_id)[0]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def desk():
    desk = Desk()
    desk.keep(*map(as_webhook, READS))
    return desk


def test_a_started_replay_is_stored_and_queued(desk):
    replay = desk.seen(desk.start({"parked": True}))
    assert (replay.status, replay.requested_by, replay.requested_at) == ("queued", "ann", NOW)
    assert desk.sent == [replay.replay_id]


def test_a_malformed_selection_starts_nothing(desk):
    with pytest.raises(MalformedSelection):
        desk.start({"webhook_ids": []})
    assert (desk.sent, desk.replays.kept) == ([], {})


def test_webhooks_that_are_not_in_the_inbox_are_counted_as_missing(desk):
    replay = desk.replay({"webhook_ids": ["msg-2", "msg-never", "msg-1"]})
    assert replay.status == ReplayStatus.COMPLETE
    assert replay.counts == {"published": 1, "missing": 1, "superseded": 1}


def test_a_time_range_selects_the_webhooks_received_in_it(desk):
    desk.keep(replace(as_webhook(a_read(9, since=7)), received_at=at(48)))
    replay = desk.replay(EVERYTHING)
    assert replay.counts == {"published": len(READS)}
    assert desk.world.state == Ledger().take(*READS).state


def test_a_second_replay_publishes_nothing_and_writes_no_state(desk):
    desk.replay(EVERYTHING)
    before = (desk.world.state, desk.world.read_states.writes, len(desk.world.bus.published))
    outcomes = desk.replay(EVERYTHING).counts
    assert set(outcomes) <= {"repeated", "superseded"}
    after = (desk.world.state, desk.world.read_states.writes, len(desk.world.bus.published))
    assert after == before


class TestParked:
    def test_a_webhook_that_succeeds_or_is_no_longer_stored_is_unparked(self, desk):
        desk.keep(StoredWebhook("msg-odd", b"[]"))
        for webhook_id in ("msg-1", "msg-odd", "msg-gone"):
            desk.world.parking.park(webhook_id, "a fault", NOW)
        replay = desk.replay({"parked": True})
        assert replay.counts == {"published": 1, "parked": 1, "missing": 1}
        assert set(desk.world.parking.parked) == {"msg-odd"}

    def test_a_parked_entry_is_replayed_by_its_own_key(self, desk):
        desk.world.parking.park("msg-3#0", "a fault", NOW)
        desk.world.parking.park("msg-3#7", "a fault", NOW)
        desk.world.projector()(desk.archive.get("msg-2"))
        assert desk.replay({"parked": True}).counts == {"published": 1, "parked": 1}
        assert set(desk.world.parking.parked) == {"msg-3#7"}
        assert desk.replay({"webhook_ids": ["msg-3#0", "msg-none#1"]}).counts == {
            "repeated": 1, "missing": 1
        }  # fmt: skip

    def test_more_parked_webhooks_than_a_page_are_all_projected(self, desk, monkeypatch):
        monkeypatch.setattr(replay_webhooks, "PAGE", 2)
        for read in READS:
            desk.world.parking.park(read.webhook_id, "a fault", NOW)
        replay = desk.replay({"parked": True})
        assert sum(replay.counts.values()) == len(READS)
        assert not desk.world.parking.parked

    def test_a_webhook_that_is_replayed_by_id_is_unparked_too(self, desk):
        desk.world.parking.park("msg-1", "a fault", NOW)
        desk.replay({"webhook_ids": ["msg-1"]})
        assert not desk.world.parking.parked


SELECTIONS = [{"webhook_ids": [read.webhook_id for read in READS]}, EVERYTHING, {"parked": True}]


@pytest.mark.parametrize("selection", SELECTIONS, ids=["ids", "time", "parked"])
@pytest.mark.parametrize("nth", range(1, 8))
@pytest.mark.parametrize(
    "fault", [Killed(), Unavailable("no answer")], ids=["killed", "unavailable"]
)
def test_an_interrupted_replay_continues_from_its_cursor(desk, monkeypatch, selection, nth, fault):
    monkeypatch.setattr(replay_webhooks, "PAGE", 2)
    for read in READS:
        desk.world.parking.park(read.webhook_id, "a fault", NOW)
    replay_id = desk.start(selection)
    desk.fail_at = {nth: fault}
    with pytest.raises(type(fault)):
        desk.work(replay_id)
    page = (nth - 1) // 2 * 2
    assert sum(desk.seen(replay_id).counts.values()) == page
    assert desk.work(replay_id)
    replay = desk.seen(replay_id)
    assert replay.status == ReplayStatus.COMPLETE
    unparked = nth - 1 - page if "parked" in selection else 0  # these are no longer found
    assert sum(replay.counts.values()) == len(READS) - unparked
    assert len(desk.projected) == len(READS) + nth - page - unparked  # no other page is repeated
    assert desk.world.state == Ledger().take(*READS).state
    assert len(desk.world.bus.published) == len(READS)
    assert not desk.world.parking.parked


def test_without_time_a_replay_stops_between_pages_and_is_not_over(desk):
    replay_id = desk.start(EVERYTHING)
    time = iter([True, False])
    assert not desk.work(replay_id, lambda: next(time))
    assert desk.seen(replay_id).status == ReplayStatus.RUNNING
    assert len(desk.projected) == 2
    assert desk.work(replay_id)
    assert len(desk.projected) == len(READS)


def test_a_fault_of_the_hub_ends_the_replay_and_is_named(desk):
    desk.fail_at = {1: ValueError("payload")}
    replay = desk.replay(EVERYTHING)
    assert (replay.status, replay.error) == (ReplayStatus.FAILED, "ValueError")


def test_a_replay_that_is_over_or_unknown_projects_nothing(desk):
    replay_id = desk.start(EVERYTHING)
    assert desk.work(replay_id)
    projected = len(desk.projected)
    assert desk.work(replay_id)
    assert desk.work("unknown")
    assert len(desk.projected) == projected


def test_of_two_workers_on_one_replay_the_slower_leaves_it_to_the_queue(desk, monkeypatch):
    replay_id = desk.start(EVERYTHING)
    page = desk.archive.page

    def page_while_another_is_ahead(*arguments):
        monkeypatch.setattr(desk.archive, "page", page)
        assert desk.work(replay_id)
        return page(*arguments)

    monkeypatch.setattr(desk.archive, "page", page_while_another_is_ahead)
    assert not desk.work(replay_id)
    assert desk.seen(replay_id).counts == {"published": len(READS)}
    assert len(desk.world.bus.published) == len(READS)
