"""Replays project the inbox again, survive a kill, and wait without a permission."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.product_events.usecases.replay_webhooks import StartReplay
from codat_hub.storage.id_queue import IdQueue
from codat_hub.webhooks.inbox_table import InboxTable
from codat_hub.webhooks.webhook_event import Delivery, recognise
from tests.support.histories import PRODUCT, Ledger, a_read, as_webhook
from tests.support.system.projection import (
    client_as,
    covered_until,
    function_of,
    kill_workers,
    needs_proc,
    of,
)
from tests.support.waiting import eventually


@pytest.fixture
def start(hub, projection):
    """Return a function that starts a replay as the control API does and returns its progress."""
    replays = ReplayStore(projection.table)
    queue = IdQueue(hub.client("sqs"), hub.described["replay_queue"])

    def started(selection):
        replay_id = StartReplay(replays, queue)(selection, "system test").replay_id
        return lambda: replays.get(replay_id)[0]

    return started


@pytest.fixture
def stored(hub, projection):
    """Return a function that stores reads in the inbox and waits for their projection."""
    inbox = InboxTable(hub.client("dynamodb"), hub.described["inbox_table"], timedelta(days=45))

    def store(company, *reads):
        for read in reads:
            webhook = as_webhook(of(read, company), f"{read.webhook_id}-{company}")
            delivery = Delivery(webhook.webhook_id, "system", webhook.body, datetime.now(UTC))
            inbox.store(delivery, recognise(webhook.body))
        return projection.projected(*(f"{read.webhook_id}-{company}" for read in reads))

    return store


@pytest.fixture
def soon_again(hub):
    """Let the queue deliver a message again after a second instead of minutes."""
    sqs, url = hub.client("sqs"), hub.described["replay_queue"]
    names = ["VisibilityTimeout"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def over(replay):
    return eventually(lambda: replay().over and replay(), seconds=60)


def of_company(company):
    now = datetime.now(UTC)
    times = {"received_from": now - timedelta(hours=1), "received_to": now + timedelta(hours=1)}
    return {name: at.isoformat() for name, at in times.items()} | {"company_id": company}


def forget(hub, company):
    """Delete the read state, as if the stream had given up all records of the inbox."""
    key = {"pk": {"S": f"COMPANY#{company}"}, "sk": {"S": f"READS#{PRODUCT}"}}
    hub.client("dynamodb").delete_item(TableName=hub.described["state_table"], Key=key)


def test_parked_webhooks_are_projected_again_and_repeat_nothing(projection, company, start, stored):
    stored(company, a_read(1))
    before, events = projection.state(company), projection.details(company)
    parking = ParkingStore(projection.table)
    parking.park(f"msg-1-{company}", "a fault of ours", datetime.now(UTC))
    replay = over(start({"parked": True}))
    assert (replay.status, replay.counts["repeated"]) == ("complete", 1)
    assert f"msg-1-{company}" not in parking.page(None, 100)[0]
    assert (projection.state(company), projection.details(company)) == (before, events)


def test_webhooks_that_were_never_projected_are_found_by_their_time_of_receipt(
    projection, hub, company, start, stored
):
    reads = [a_read(hour, since=hour - 1) for hour in range(1, 6)]
    stored(company, *reads)
    before, events = projection.state(company)[0], projection.details(company)
    forget(hub, company)
    replay = over(start(of_company(company)))
    assert (replay.status, sum(replay.counts.values())) == ("complete", len(reads))
    assert projection.state(company)[0] == before
    assert {event["event_key"] for event in events} <= {
        detail["event_key"] for detail in projection.details(company)
    }
    assert covered_until(projection.details(company), "invoices") == reads[-1].at


@needs_proc
def test_after_a_kill_another_worker_continues_at_the_saved_cursor(
    projection, hub, company, start, stored, soon_again
):
    reads = [a_read(hour, since=hour - 1) for hour in range(1, 61)]
    stored(company, *reads)
    for _ in range(5):  # again if the worker finished before the kill
        forget(hub, company)
        replay = start({"webhook_ids": [f"{read.webhook_id}-{company}" for read in reads]})
        eventually(lambda: replay().cursor or replay().over, poll=0.005)  # noqa: B023
        assert kill_workers(hub, function_of(hub.described["replay_webhooks_logs"]))
        killed_at = sum(replay().counts.values())
        assert over(replay).status == "complete"
        if killed_at < len(reads):
            break
    assert killed_at < len(reads)
    assert sum(replay().counts.values()) == len(reads)
    state, version = projection.state(company)
    assert state == Ledger().take(*(of(read, company) for read in reads)).state
    assert version <= len(reads)


def test_without_a_permission_a_replay_waits_and_then_goes_on(
    projection, hub, company, start, stored, soon_again
):
    stored(company, a_read(1))
    forget(hub, company)
    logs = hub.described["replay_webhooks_logs"]
    with hub.stack.emulator.denied(function_of(logs), "events:PutEvents"):
        replay = start({"webhook_ids": [f"msg-1-{company}"]})
        eventually(lambda: any(line.get("message") == "replay interrupted"
                               for line in hub.logged(logs)))  # fmt: skip
        assert not replay().over
    # The end of the denial may kill a worker that has published and not yet counted.
    assert over(replay).counts in ({"published": 1}, {"repeated": 1})
    assert projection.state(company)[1] == 1


def test_the_function_may_do_with_state_and_inbox_what_it_needs_and_no_more(hub):
    dynamodb = client_as(hub, function_of(hub.described["replay_webhooks_logs"]), "dynamodb")
    tables = {"state": hub.described["state_table"], "inbox": hub.described["inbox_table"]}
    key = {"webhook_id": {"S": "x"}}
    dynamodb.get_item(TableName=tables["inbox"], Key=key)
    for refused in (
        lambda: dynamodb.scan(TableName=tables["state"]),
        lambda: dynamodb.put_item(TableName=tables["inbox"], Item=key),
        lambda: dynamodb.delete_item(TableName=tables["inbox"], Key=key),
    ):
        with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
            refused()
