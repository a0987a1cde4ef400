"""Dispatcher and worker on moto, as Lambda runs them: queue, partial failures, metrics."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from codat_hub.codat import errors
from codat_hub.refresh.domain.ticket import TicketStatus
from tests.support.refreshing import PRODUCT, LongContext, a_stack, imported
from tools.samconfig import ROOT
from tools.simulation.refresh_world import Answered
from tools.simulation.tables import create_table
from tools.template import RESOURCES


class Codat:
    def __init__(self):
        self.failure = None
        self.calls = []

    def refresh_product(self, company_id, product, data_types=None, *, idempotency_key=None):
        self.calls.append((company_id, product))
        if self.failure is not None:
            raise self.failure
        return Answered()


@pytest.fixture
def stack(dynamodb):
    return a_stack(dynamodb, create_table(dynamodb, "StateTable"))


@pytest.fixture
def dispatcher(stack, monkeypatch):
    variables = {"STATE_TABLE": "StateTable", "REFRESH_QUEUE_URL": stack.queue}
    return imported("dispatch_refreshes", monkeypatch, **variables)


@pytest.fixture
def codat():
    return Codat()


@pytest.fixture
def worker(stack, codat, monkeypatch):
    module = imported(
        "refresh_product",
        monkeypatch,
        STATE_TABLE="StateTable",
        REFRESH_QUEUE_URL=stack.queue,
        LEASE_SCOPE="company",
        CODAT_API_KEY_ARN="arn",
        CODAT_BASE_URL="http://127.0.0.1:1",
        CODAT_CLIENT_ID="",
    )
    make_call = replace(module.refresh.make_call, codat=codat, check_client=lambda: None)
    module.refresh = replace(module.refresh, make_call=make_call)
    return module


def planned(stack, monkeypatch, *company_ids):
    for company_id in company_ids:
        stack.assign(company_id)
    variables = {"STATE_TABLE": "StateTable", "REFRESH_QUEUE_URL": stack.queue}
    planner = imported("plan_refreshes", monkeypatch, REFRESH_JITTER_SECONDS="0", **variables)
    event = {"product": PRODUCT, "scheduled_time": datetime.now(UTC).isoformat()}
    assert planner.handler(event, LongContext()) == {"opened": len(company_ids)}


def a_batch(bodies):
    record = {"eventSource": "aws:sqs", "attributes": {}, "messageAttributes": {}}
    records = [{**record, "messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]
    return {"Records": records}


def metrics(capsys):
    lines = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    return {
        name: value
        for line in lines
        if "_aws" in line
        for name, value in line.items()
        if name.startswith("refresh_")
    }


def test_from_due_to_accepted(dispatcher, worker, stack, codat, monkeypatch, capsys):
    planned(stack, monkeypatch, "c1", "c2")
    assert dispatcher.handler({}, LongContext()) == {"sent": 2}
    assert dispatcher.handler({}, LongContext()) == {"sent": 0}
    capsys.readouterr()
    answer = worker.handler(a_batch(stack.messages()), LongContext())
    assert answer == {"batchItemFailures": []}
    assert {stack.ticket(company_id).status for company_id in ("c1", "c2")} == {
        TicketStatus.ACCEPTED
    }
    counted = metrics(capsys)
    assert sum(counted["refresh_asked"]) == sum(counted["refresh_accepted"]) == 2
    assert counted["refresh_calls"] == [1.0, 1.0]
    assert all(seconds >= 0 for seconds in counted["refresh_accepted_after"])


def test_only_a_message_that_cannot_be_handled_comes_again(dispatcher, worker, stack, monkeypatch):
    planned(stack, monkeypatch, "c1")
    dispatcher.handler({}, LongContext())
    answer = worker.handler(a_batch(["nonsense", *stack.messages()]), LongContext())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert stack.ticket("c1").status is TicketStatus.ACCEPTED


def test_a_failure_is_counted_by_its_kind(dispatcher, worker, stack, codat, monkeypatch, capsys):
    planned(stack, monkeypatch, "c1")
    dispatcher.handler({}, LongContext())
    codat.failure = errors.Permanent("doesn't support data refreshing", status=400)
    capsys.readouterr()
    worker.handler(a_batch(stack.messages()), LongContext())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (by_kind,) = [line for line in lines if "refresh_failed_by" in line]
    assert by_kind["kind"] == "rejected"
    assert any(line.get("refresh_failed") == [1.0] for line in lines)


def test_a_ticket_that_fails_at_its_deadline_is_counted_once(
    dispatcher, worker, stack, monkeypatch, capsys
):
    planned(stack, monkeypatch, "c1")
    dispatcher.handler({}, LongContext())
    store = worker.refresh.tickets
    ticket, version = store.get("c1", PRODUCT)
    store.put(replace(ticket, deadline=ticket.opened_at), version)
    capsys.readouterr()
    worker.handler(a_batch(stack.messages()), LongContext())
    assert stack.ticket("c1").failure.kind == "never_called"
    assert metrics(capsys)["refresh_failed"] == [1.0]


def test_a_ticket_that_cannot_be_read_is_counted_where_its_alarm_looks(
    dispatcher, stack, dynamodb, monkeypatch, capsys
):
    planned(stack, monkeypatch, "c1", "c2")
    dynamodb.update_item(
        TableName="StateTable",
        Key={"pk": {"S": "COMPANY#c1"}, "sk": {"S": f"REFRESH#TICKET#{PRODUCT}"}},
        UpdateExpression="REMOVE deadline",
    )
    capsys.readouterr()
    assert dispatcher.handler({}, LongContext()) == {"sent": 1}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    alarm = RESOURCES["ItemsUnreadable"]["Properties"]
    assert [line[alarm["MetricName"]] for line in lines if alarm["MetricName"] in line] == [[1.0]]


def test_without_time_for_another_call_the_other_messages_come_again(
    dispatcher, worker, stack, codat, monkeypatch
):
    planned(stack, monkeypatch, "c1")
    dispatcher.handler({}, LongContext())
    hurried = LongContext()
    hurried.get_remaining_time_in_millis = lambda: 5_000
    answer = worker.handler(a_batch(stack.messages()), hurried)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert codat.calls == []


def test_the_example_events_are_understood(dispatcher, worker):
    def read(name):
        return json.loads((ROOT / "events" / name).read_text())

    assert dispatcher.handler(read("dispatch_refreshes.json"), LongContext()) == {"sent": 0}
    answer = worker.handler(read("refresh_product.json"), LongContext())
    assert answer == {"batchItemFailures": []}  # no such ticket: stale
