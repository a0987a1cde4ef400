"""The watch's Lambda with its example event and with the hourly one."""

import importlib
import json
from types import SimpleNamespace

import pytest

from tools.samconfig import ROOT

CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r"
)
EVENT = json.loads((ROOT / "events" / "watch_migrations.json").read_text())
HOURLY = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.fixture
def watch(world, monkeypatch):
    monkeypatch.setenv("MIGRATION_STATE_MACHINE_ARN", "arn:aws:states:eu-west-2:1:stateMachine:m")
    module = importlib.import_module("codat_hub.handlers.watch_migrations")
    monkeypatch.setattr(module, "watch", world.watch)
    return module.handler


def ended(world):
    return {**EVENT, "detail": {**EVENT["detail"], "name": world.run.execution}}


def test_an_execution_without_a_run_is_nothing(watch, world):
    watch(EVENT, CONTEXT)
    assert not world.executions.status


def test_an_end_after_side_effects_starts_a_rollback(watch, world):
    before = world.codat_now()

    def around(call, payload):
        answer = call(payload)
        if payload["step"] == "begin_quiet":
            world.executions.status[world.migration_id] = "ABORTED"
        return answer

    world.around = around
    world.start()
    kept, world.watch = world.watch, SimpleNamespace(ended=lambda name: None)
    world.go()
    world.watch = kept
    watch(ended(world), CONTEXT)
    watch(ended(world), CONTEXT)  # EventBridge may say it twice
    assert [name for name, _ in world.executions.queue] == [f"{world.migration_id}-rollback-1"]
    assert world.go().status == "rolled_back"
    assert world.codat_now() == before


def test_the_hourly_look_finds_an_end_without_an_event(watch, world):
    world.start()
    world.executions.queue.clear()
    world.executions.status[world.migration_id] = "TIMED_OUT"
    watch(HOURLY, CONTEXT)
    assert world.run.status == "failed"
    assert "ended without a result" in world.run.error


def test_a_run_that_died_while_it_waited_is_found_too(watch, world):
    world.operator = lambda what: world.executions.stop(world.migration_id, "by hand")
    kept, world.watch = world.watch, SimpleNamespace(ended=lambda name: None)
    world.migrate()
    assert world.run.pause
    world.watch = kept
    watch(HOURLY, CONTEXT)
    assert world.run.status == "failed"


def test_the_hourly_look_reports_a_wait_for_a_person(watch, world, capsys):
    def operator(waiting_for):
        if waiting_for == "approval":
            world.pass_time(3 * 3600)
            watch(HOURLY, CONTEXT)
        world.willing(waiting_for)

    world.operator = operator
    assert world.migrate().status == "complete"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[:1] == "{"]
    (hours,) = [
        line["migration_waiting_hours"] for line in lines if "migration_waiting_hours" in line
    ]
    assert hours == [pytest.approx(3, abs=0.1)]


def test_a_run_that_lives_is_left_alone(watch, world):
    world.start()
    watch(HOURLY, CONTEXT)
    assert world.go().status == "complete"
    watch(HOURLY, CONTEXT)
    assert len(world.executions.status) == 1
