"""The replay handler as Lambda runs it, on moto: a replay's id in, its webhooks projected."""

import importlib
import json
import sys
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.product_events.domain.replay import ReplayStatus
from codat_hub.product_events.domain.tail import new_tail
from codat_hub.product_events.usecases.replay_webhooks import StartReplay
from codat_hub.product_events.usecases.tail_events import EndTail
from codat_hub.storage.id_queue import IdQueue
from codat_hub.storage.state_table import StateTable
from codat_hub.webhooks.inbox_table import InboxTable
from codat_hub.webhooks.webhook_event import Delivery, recognise
from tests.support.aws import REGION, Context
from tests.support.histories import a_read, a_removal, as_webhook, at
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
    """Return a function that stores events as received some hours after the start."""
    inbox = InboxTable(dynamodb, inbox_table, timedelta(days=45))

    def store(*events, hours=10.0):
        for event in events:
            webhook = as_webhook(event)
            delivery = Delivery(webhook.webhook_id, "lending", webhook.body, at(hours))
            assert inbox.store(delivery, recognise(webhook.body))

    return store


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
    monkeypatch.setenv(
        "PRODUCT_BUS_ARN", "arn:aws:events:eu-west-2:123456789012:event-bus/products"
    )
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


def test_a_parked_webhook_is_projected_and_unparked(module, state, inbox, queue):
    inbox(a_read(1))
    ParkingStore(state).park("msg-1", "a fault", NOW)
    replay_id = start(state, queue, {"parked": True})
    module.handler(messages(queue), InTime())
    assert ReplayStore(state).get(replay_id)[0].counts == {"published": 1}
    assert ParkingStore(state).page(None, 10) == ([], None)


def test_a_replay_that_is_not_over_stays_in_the_queue(module, state, inbox, queue):
    inbox(a_read(1))
    replay_id = start(state, queue, EVERYTHING)
    batch = messages(queue)
    (failure,) = module.handler(batch, OutOfTime())["batchItemFailures"]
    assert failure == {"itemIdentifier": batch["Records"][0]["messageId"]}
    assert ReplayStore(state).get(replay_id)[0].status == ReplayStatus.QUEUED
    assert module.handler(batch, InTime()) == {"batchItemFailures": []}


def test_a_replay_that_meets_an_outage_stays_in_the_queue(module, state, inbox, queue, monkeypatch):
    def refuse(_self, _event):
        raise Unavailable("refused")

    inbox(a_read(1))
    start(state, queue, EVERYTHING)
    batch = messages(queue)
    monkeypatch.setattr(type(module.replay.project.bus), "publish", refuse)
    assert len(module.handler(batch, InTime())["batchItemFailures"]) == 1
    monkeypatch.undo()
    assert module.handler(batch, InTime()) == {"batchItemFailures": []}


def test_the_example_event_names_an_unknown_replay(module):
    event = json.loads((ROOT / "events" / "replay_webhooks.json").read_text())
    assert module.handler(event, InTime()) == {"batchItemFailures": []}


def test_an_unavailable_queue_is_reported_to_the_caller(state, queue):
    sqs, _ = queue
    start_replay = StartReplay(ReplayStore(state), IdQueue(sqs, "https://sqs/none"), lambda: NOW)
    with pytest.raises(Unavailable):
        start_replay({"parked": True}, "ann")


def test_a_tail_stays_in_the_queue_until_its_hour_is_over_and_then_nothing_is_left(
    module, queue, monkeypatch
):
    tail = new_tail(None, datetime.now(UTC), "0a1b2c3d")
    tails = module.end_tail.tails
    tails.open(tail.tail_id, None)
    IdQueue(*queue).send(tail.message)
    batch = messages(queue)
    assert len(module.handler(batch, InTime())["batchItemFailures"]) == 1
    assert tails.receive(tail.tail_id) == []
    monkeypatch.setattr(module, "end_tail", EndTail(tails, lambda: tail.open_until))
    assert module.handler(batch, InTime()) == {"batchItemFailures": []}
    assert tails.receive(tail.tail_id) is None
