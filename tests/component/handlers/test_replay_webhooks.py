"""The handler as Lambda runs it, on moto: a replay's id in, webhooks of the inbox projected."""

import importlib
import json
import sys
from datetime import timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.inbox_archive import InboxArchive
from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.product_events.domain.replay import (
    Parked,
    ReceivedBetween,
    Replay,
    ReplayStatus,
    WebhookIds,
)
from codat_hub.product_events.usecases.replay_webhooks import StartReplay
from codat_hub.storage.id_queue import IdQueue
from codat_hub.storage.state_table import StateTable
from codat_hub.webhooks.inbox_table import InboxTable
from codat_hub.webhooks.webhook_event import Delivery, recognise
from tests.support.aws import REGION, Context
from tests.support.fakes import FakeReplays
from tests.support.histories import PRODUCT, a_read, a_removal, as_webhook, at
from tests.support.interleaving import NOW
from tools.samconfig import ROOT
from tools.simulation.tables import create_table

MODULE = "codat_hub.handlers.replay_webhooks"
EVERYTHING = {"received_from": "2026-07-01T00:00:00Z", "received_to": "2026-07-09T00:00:00Z"}


class InTime(Context):
    def get_remaining_time_in_millis(self):
        return 300_000


class OutOfTime(Context):
    def get_remaining_time_in_millis(self):
        return 59_000


@pytest.fixture
def state(dynamodb):
    return StateTable(dynamodb, create_table(dynamodb, "StateTable"))


@pytest.fixture
def inbox(dynamodb, inbox_table):
    """Store events as the webhooks API does; `hours` after the start they were received."""
    inbox = InboxTable(dynamodb, inbox_table, timedelta(days=45))

    def store(*events, hours=10.0):
        for event in events:
            webhook = as_webhook(event)
            delivery = Delivery(webhook.webhook_id, "lending", webhook.body, at(hours))
            assert inbox.store(delivery, recognise(webhook.body))

    return store


@pytest.fixture
def archive(dynamodb, inbox_table):
    return InboxArchive(dynamodb, inbox_table)


@pytest.fixture
def queue(aws):
    sqs = boto3.client("sqs", region_name=REGION)
    return sqs, sqs.create_queue(QueueName="replays")["QueueUrl"]


@pytest.fixture
def module(state, inbox_table, monkeypatch):
    boto3.client("events", region_name=REGION).create_event_bus(Name="products")
    monkeypatch.setenv("INBOX_TABLE", inbox_table)
    monkeypatch.setenv("STATE_TABLE", "StateTable")
    monkeypatch.setenv("PRODUCT_BUS", "products")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return importlib.import_module(MODULE)


def start(state, queue, selection):
    return StartReplay(ReplayStore(state), IdQueue(*queue), lambda: NOW)(selection, "ann").replay_id


def messages(queue):
    sqs, url = queue
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return {"Records": [{"messageId": m["MessageId"], "body": m["Body"]} for m in received]}


def test_a_replay_goes_through_the_queue_to_its_end(module, state, inbox, queue):
    inbox(a_read(1), a_read(2, since=1), a_removal(3))
    replay_id = start(state, queue, EVERYTHING)
    assert module.handler(messages(queue), InTime()) == {"batchItemFailures": []}
    replay, _ = ReplayStore(state).get(replay_id)
    assert (replay.status, sum(replay.counts.values())) == (ReplayStatus.COMPLETE, 3)
    assert replay.counts["applied"] == 1


def test_what_is_parked_is_projected_and_parked_no_more(module, state, inbox, queue):
    inbox(a_read(1))
    ParkingStore(state).park("msg-1", "a fault of ours", NOW)
    replay_id = start(state, queue, {"parked": True})
    module.handler(messages(queue), InTime())
    assert ReplayStore(state).get(replay_id)[0].counts == {"published": 1}
    assert ParkingStore(state).page(None, 10) == ([], None)


def test_one_that_is_not_over_stays_in_the_queue(module, state, inbox, queue):
    inbox(a_read(1))
    replay_id = start(state, queue, EVERYTHING)
    batch = messages(queue)
    (failure,) = module.handler(batch, OutOfTime())["batchItemFailures"]
    assert failure == {"itemIdentifier": batch["Records"][0]["messageId"]}
    assert ReplayStore(state).get(replay_id)[0].status == ReplayStatus.QUEUED
    assert module.handler(batch, InTime()) == {"batchItemFailures": []}


def test_one_that_meets_an_outage_stays_in_the_queue(module, state, inbox, queue, monkeypatch):
    def refuse(_self, _event):
        raise Unavailable("refused")

    inbox(a_read(1))
    start(state, queue, EVERYTHING)
    batch = messages(queue)
    monkeypatch.setattr(type(module.replay.project.bus), "publish", refuse)
    assert len(module.handler(batch, InTime())["batchItemFailures"]) == 1
    monkeypatch.undo()
    assert module.handler(batch, InTime()) == {"batchItemFailures": []}


def test_the_example_event_is_of_a_replay_that_is_not_known(module):
    event = json.loads((ROOT / "events" / "replay_webhooks.json").read_text())
    assert module.handler(event, InTime()) == {"batchItemFailures": []}


class TestArchive:
    EVERYTHING = ReceivedBetween(at(0), at(1000))

    def ids(self, archive, received):
        webhooks, after = archive.page(received, None)
        assert after is None
        return {webhook.webhook_id for webhook in webhooks}

    def test_a_webhook_comes_out_as_it_went_in(self, archive, inbox):
        inbox(a_read(1), hours=2.5)
        webhook = archive.get("msg-1")
        assert webhook.body == as_webhook(a_read(1)).body
        assert (webhook.quarantine, webhook.received_at) == (None, at(2.5))
        assert archive.get("msg-2") is None

    def test_it_is_found_by_when_it_came(self, archive, inbox):
        for hour in (1, 2, 3):
            inbox(a_read(hour), hours=hour)
        assert self.ids(archive, ReceivedBetween(at(1), at(3))) == {"msg-1", "msg-2"}
        assert self.ids(archive, ReceivedBetween(at(3), at(4))) == {"msg-3"}

    def test_it_is_found_by_company_and_by_product_as_published(self, archive, inbox):
        inbox(a_read(1), a_read(2, product=None), a_read(3, product="standard"))
        inbox(a_read(4, company_id="other"))
        found = [
            self.ids(archive, ReceivedBetween(at(0), at(99), *narrowed))
            for narrowed in [("other",), (None, PRODUCT), (None, "standard"), ("other", "lending")]
        ]
        assert found == [{"msg-4"}, {"msg-1", "msg-4"}, {"msg-2", "msg-3"}, set()]

    def test_pages_hold_everything_once(self, archive, inbox):
        inbox(*(a_read(hour) for hour in range(250)))
        found, after = [], None
        while True:
            webhooks, after = archive.page(self.EVERYTHING, after)
            found += [webhook.webhook_id for webhook in webhooks]
            assert len(webhooks) <= 100
            if after is None:
                break
        assert sorted(found) == sorted(f"msg-{hour}" for hour in range(250))

    def test_a_table_that_does_not_answer_is_unavailable(self, archive, dynamodb, monkeypatch):
        def fail(**_request):
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "Scan")

        monkeypatch.setattr(dynamodb, "scan", fail)
        monkeypatch.setattr(dynamodb, "get_item", fail)
        with pytest.raises(Unavailable):
            archive.page(self.EVERYTHING, None)
        with pytest.raises(Unavailable):
            archive.get("msg-1")


@pytest.mark.parametrize("kind", ["real", "fake"])
@pytest.mark.parametrize(
    "selection",
    [
        WebhookIds(("b", "a")),
        Parked(),
        ReceivedBetween(at(1), at(2)),
        ReceivedBetween(at(1), at(2), "c", "p"),
    ],
)
def test_a_replay_comes_out_as_it_went_in_and_only_its_reader_writes_it(kind, selection, request):
    replays = ReplayStore(request.getfixturevalue("state")) if kind == "real" else FakeReplays()
    replay = Replay("r", selection, "ann", at(1), at(1))
    assert replays.get("r") == (None, 0)
    assert replays.put(replay, 0) is True
    assert replays.put(replay, 0) is False
    assert replays.get("r") == (replay, 1)
    further = replay.after(["published", "parked"], "cursor", at(2)).failed("ValueError", at(3))
    assert replays.put(further, 1) is True
    assert replays.get("r") == (further, 2)


def test_parked_webhooks_are_listed_in_pages(state):
    parking = ParkingStore(state)
    for number in range(5):
        parking.park(f"msg-{number}", "odd", NOW)
    first, after = parking.page(None, 3)
    second, end = parking.page(after, 3)
    assert (first, second, end) == (["msg-0", "msg-1", "msg-2"], ["msg-3", "msg-4"], None)
    parking.unpark("msg-0")
    parking.unpark("msg-never")
    assert parking.page(None, 3) == (["msg-1", "msg-2", "msg-3"], "msg-3")


def test_a_queue_that_is_away_is_said_to_whoever_starts_a_replay(state, queue):
    sqs, _ = queue
    start_replay = StartReplay(ReplayStore(state), IdQueue(sqs, "https://sqs/none"), lambda: NOW)
    with pytest.raises(Unavailable):
        start_replay({"parked": True}, "ann")
