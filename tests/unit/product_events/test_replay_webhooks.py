"""A replay projects what it is asked for, once, however often it is interrupted."""

from dataclasses import dataclass, field, replace

import pytest

from codat_hub.errors import Unavailable
from codat_hub.product_events.domain.replay import MalformedSelection, Status
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
    """What a replay needs, and the operator's side of it. `fail_at`: projections that break."""

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


def test_starting_one_notes_it_and_hands_it_over(desk):
    replay = desk.seen(desk.start({"parked": True}))
    assert (replay.status, replay.requested_by, replay.requested_at) == ("queued", "ann", NOW)
    assert desk.sent == [replay.replay_id]


def test_a_malformed_selection_starts_nothing(desk):
    with pytest.raises(MalformedSelection):
        desk.start({"webhook_ids": []})
    assert (desk.sent, desk.replays.kept) == ([], {})


def test_webhooks_by_id_those_that_are_gone_are_counted(desk):
    replay = desk.replay({"webhook_ids": ["msg-2", "msg-never", "msg-1"]})
    assert replay.status == Status.COMPLETE
    assert replay.counts == {"published": 1, "missing": 1, "superseded": 1}


def test_a_time_range_takes_what_was_received_in_it_and_covers_what_the_stream_gave_up(desk):
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
    def test_what_succeeds_now_is_parked_no_more_the_rest_stays(self, desk):
        desk.keep(StoredWebhook("msg-odd", b"[]"))
        for webhook_id in ("msg-1", "msg-odd", "msg-gone"):
            desk.world.parking.park(webhook_id, "a fault of ours", NOW)
        replay = desk.replay({"parked": True})
        assert replay.counts == {"published": 1, "parked": 1, "missing": 1}
        assert set(desk.world.parking.parked) == {"msg-odd", "msg-gone"}

    def test_more_than_a_page_of_them(self, desk, monkeypatch):
        monkeypatch.setattr(replay_webhooks, "PAGE", 2)
        for read in READS:
            desk.world.parking.park(read.webhook_id, "a fault of ours", NOW)
        replay = desk.replay({"parked": True})
        assert sum(replay.counts.values()) == len(READS)
        assert not desk.world.parking.parked

    def test_a_webhook_that_is_replayed_by_id_is_parked_no_more_either(self, desk):
        desk.world.parking.park("msg-1", "a fault of ours", NOW)
        desk.replay({"webhook_ids": ["msg-1"]})
        assert not desk.world.parking.parked


SELECTIONS = [{"webhook_ids": [read.webhook_id for read in READS]}, EVERYTHING, {"parked": True}]


@pytest.mark.parametrize("selection", SELECTIONS, ids=["ids", "time", "parked"])
@pytest.mark.parametrize("nth", range(1, 8))
@pytest.mark.parametrize("fault", [Killed(), Unavailable("away")], ids=["killed", "unavailable"])
def test_interrupted_anywhere_it_goes_on_where_it_was(desk, monkeypatch, selection, nth, fault):
    monkeypatch.setattr(replay_webhooks, "PAGE", 2)
    for read in READS:
        desk.world.parking.park(read.webhook_id, "a fault of ours", NOW)
    replay_id = desk.start(selection)
    desk.fail_at = {nth: fault}
    with pytest.raises(type(fault)):
        desk.work(replay_id)
    page = (nth - 1) // 2 * 2
    assert sum(desk.seen(replay_id).counts.values()) == page
    assert desk.work(replay_id)
    replay = desk.seen(replay_id)
    assert replay.status == Status.COMPLETE
    unparked = nth - 1 - page if "parked" in selection else 0  # these are found no more
    assert sum(replay.counts.values()) == len(READS) - unparked
    assert len(desk.projected) == len(READS) + nth - page - unparked  # no other page is done anew
    assert desk.world.state == Ledger().take(*READS).state
    assert len(desk.world.bus.published) == len(READS)
    assert not desk.world.parking.parked


def test_without_time_it_stops_between_pages_and_says_that_it_is_not_over(desk):
    replay_id = desk.start(EVERYTHING)
    time = iter([True, False])
    assert not desk.work(replay_id, lambda: next(time))
    assert desk.seen(replay_id).status == Status.RUNNING
    assert len(desk.projected) == 2
    assert desk.work(replay_id)
    assert len(desk.projected) == len(READS)


def test_a_fault_of_ours_ends_it_and_is_named(desk):
    desk.fail_at = {1: ValueError("payload")}
    replay = desk.replay(EVERYTHING)
    assert (replay.status, replay.error) == (Status.FAILED, "ValueError")


def test_one_that_is_over_or_unknown_is_done_with(desk):
    replay_id = desk.start(EVERYTHING)
    assert desk.work(replay_id)
    projected = len(desk.projected)
    assert desk.work(replay_id)
    assert desk.work("never heard of")
    assert len(desk.projected) == projected


def test_of_two_workers_at_one_replay_the_slower_leaves_it_to_the_queue(desk, monkeypatch):
    replay_id = desk.start(EVERYTHING)
    page = desk.archive.page

    def page_while_another_is_further(*arguments):
        monkeypatch.setattr(desk.archive, "page", page)
        assert desk.work(replay_id)
        return page(*arguments)

    monkeypatch.setattr(desk.archive, "page", page_while_another_is_further)
    assert not desk.work(replay_id)
    assert desk.seen(replay_id).counts == {"published": len(READS)}
    assert len(desk.world.bus.published) == len(READS)
