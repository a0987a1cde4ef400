"""The planner on moto, started by EventBridge Scheduler, by a person and every minute."""

import json
from datetime import UTC, datetime

import pytest

from codat_hub.refresh.domain.ticket import TicketStatus
from tests.support.refreshing import PRODUCT, LongContext, a_stack, imported
from tools.samconfig import ROOT
from tools.simulation.tables import create_table


@pytest.fixture
def stack(dynamodb):
    return a_stack(dynamodb, create_table(dynamodb, "StateTable"))


@pytest.fixture
def module(stack, monkeypatch):
    return imported(
        "plan_refreshes",
        monkeypatch,
        STATE_TABLE="StateTable",
        REFRESH_QUEUE_URL=stack.queue,
        REFRESH_JITTER_SECONDS="0",
    )


def now():
    return datetime.now(UTC).isoformat()


def test_a_slot_opens_the_tickets_once(module, stack, capsys):
    stack.assign("c1")
    event = {"product": PRODUCT, "scheduled_time": now()}
    assert module.handler(event, LongContext()) == {"opened": 1}
    assert module.handler(event, LongContext()) == {"opened": 0}
    assert stack.ticket("c1").status is TicketStatus.QUEUED
    assert stack.messages() == []  # the dispatcher sends them
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["refresh_planned"] for line in lines if "refresh_planned" in line] == [[1.0]]


def test_for_a_person_they_are_sent_at_once(module, stack):
    stack.assign("c1")
    event = {"product": PRODUCT, "scheduled_time": now(), "requested_by": "arn"}
    assert module.handler(event, LongContext()) == {"opened": 1}
    (message,) = stack.messages()
    assert json.loads(message) == {"company_id": "c1", "product": PRODUCT, "generation": 1}


def test_the_minute_goes_on_with_an_unfinished_run(module, stack):
    stack.assign("c1")
    no_time = LongContext()
    no_time.get_remaining_time_in_millis = lambda: 1
    event = {"product": PRODUCT, "scheduled_time": now()}
    assert module.handler(event, no_time) == {"opened": 0}
    assert module.handler({}, LongContext()) == {"opened": 1}
    assert module.handler({}, LongContext()) == {"opened": 0}


def test_the_example_event_is_understood(module):
    event = json.loads((ROOT / "events/plan_refreshes.json").read_text())
    assert module.handler(event, LongContext()) == {"opened": 0}  # a slot long over
