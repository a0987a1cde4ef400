import json
from datetime import timedelta
from unittest import mock

import pytest

from codat_hub.codat.errors import Permanent, RateLimited, TryLater
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.usecases import outages, stopping
from codat_hub.migration.usecases.context import StepResult
from codat_hub.migration.usecases.outages import waits_for
from codat_hub.migration.usecases.step_table import STEPS, run_step
from tests.support.migration.step_world import ID
from tools.samconfig import ROOT

DEFINITION = json.loads((ROOT / "statemachines" / "migration.asl.json").read_text())


def calls(states):
    """Yield direction and step of every call in the definition."""
    for state in states.values():
        if state["Type"] == "Task":
            payload = state["Parameters"]["Payload"]
            yield payload["direction"], payload["step"]
        elif state["Type"] == "Map":
            yield from calls(state["ItemProcessor"]["States"])


def test_every_step_of_the_definition_is_in_the_table_and_the_reverse():
    assert set(calls(DEFINITION["States"])) == set(STEPS)


def test_an_unknown_step_fails(world):
    with pytest.raises(StepFailed, match="no step 'nothing' to apply"):
        run_step(world.context, "nothing", "apply", world.command())


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        (timedelta(hours=2), 7201),
        (timedelta(seconds=1.9), 2),
        (timedelta(hours=25), 90_001),
        (timedelta(days=9), 90_001),
        (timedelta(0), 1),
        (None, 90_001),
    ],
)
def test_used_up_quota_is_waited_for(world, retry_after, seconds):
    world.save_client()
    world.codat.failing["set_client_settings"] = RateLimited("quota", retry_after=retry_after)
    result = run_step(world.context, "disable_client_sync", "apply", world.command())
    assert (result.next, result.wait_seconds) == ("again", seconds)


def test_room_for_the_calls_is_waited_for_and_the_run_says_so(world):
    world.save_client()
    no_room = RateLimited(
        "calls of the last minute leave no room", retry_after=timedelta(minutes=2)
    )
    world.codat.failing["set_client_settings"] = no_room
    command = world.command()
    result = run_step(world.context, "disable_client_sync", "apply", command)
    assert (result.next, result.wait_seconds) == ("again", 121)
    assert world.codat.changes == []
    assert waits_for(world.ledger, world.run) == (
        "room among the hub's other calls of Codat, until 22 November 10:17 UTC"
    )
    world.codat.failing.clear()
    assert run_step(world.context, "disable_client_sync", "apply", command).next == "done"
    assert waits_for(world.ledger, world.run) is None


@pytest.mark.parametrize("step", ["wait_for_person", "note_chunk_failure", "incomplete"])
def test_what_nobody_could_repeat_is_left_to_the_state_machines_retries(world, step, monkeypatch):
    command = world.command("a", token="t", waiting_for="approval", state={"phase": "survey"})
    monkeypatch.setattr(world.ledger, "change", mock.Mock(side_effect=TryLater("down")))
    direction = "compensate" if step == "incomplete" else "apply"
    with pytest.raises(TryLater):
        run_step(world.context, step, direction, command)


def test_a_step_on_a_chunk_works_on_its_companies(world):
    world.company("a")
    assert run_step(world.context, "add_products", "apply", world.command("a")) == StepResult()
    assert world.codat.changes == [("add_product", "a", "lending")]


@pytest.mark.parametrize(
    ("step", "direction", "phase", "listing"),
    [
        ("survey", "apply", "survey", "snapshot"),
        ("snapshot_companies", "apply", "snapshot", "snapshot"),
        ("add_products", "apply", "add_products", "snapshot"),
        ("add_products", "compensate", "remove_products", "undo"),
        ("disable_company_sync", "compensate", "reenable_company_sync", "undo"),
    ],
)
def test_a_step_on_a_chunk_stops_with_its_phase_and_not_with_another(
    world, step, direction, phase, listing
):
    world.company("a", 6)
    command = world.command("a", listing=listing)
    stopping.stop(world.context, command, "another")
    run_step(world.context, step, direction, command)
    assert world.tally(phase, listing).finished
    world.ledger.put_tally(ID, phase, f"{listing}-000000", Tally(1))
    stopping.stop(world.context, command, phase)
    assert run_step(world.context, step, direction, command) == StepResult()
    assert not world.tally(phase, listing).finished


def test_an_outage_of_a_chunk_is_kept_under_its_phase(world):
    world.company("a")
    world.codat.failing["add_product"] = RateLimited("quota")
    run_step(world.context, "add_products", "apply", world.command("a"))
    name = f"{outages.PREFIX}add_products#1#snapshot-000000"
    assert world.entry(outages.WAITS).detail["step"] == name


@pytest.mark.parametrize(
    ("step", "undo"),
    [
        ("begin_removals", "remove_products"),
        ("configure_new_webhooks", "unsubscribe_new_webhooks"),
        ("disable_old_webhooks", "resubscribe_old_webhooks"),
        ("disable_client_sync", "reenable_client_sync"),
    ],
)
def test_an_undo_is_recorded_as_the_step_of_the_run(world, step, undo):
    world.save_client()
    run_step(world.context, step, "compensate", world.undo())
    assert (world.run.step, world.run.status) == (undo, "rolling_back")


def test_an_error_that_does_not_pass_is_the_state_machines(world):
    world.save_client()
    world.codat.failing["set_client_settings"] = Permanent("refused")
    with pytest.raises(Permanent):
        run_step(world.context, "disable_client_sync", "apply", world.command())


def test_a_step_that_waits_for_a_person_is_never_repeated_by_its_answer(world):
    command = world.command(token="t", waiting_for="approval")
    world.ledger.change = fails = mock.Mock(side_effect=TryLater("down"))
    with pytest.raises(TryLater):
        run_step(world.context, "wait_for_person", "apply", command)
    assert fails.called


@pytest.mark.parametrize("direction", ["apply", "compensate"])
def test_a_chunk_that_failed_leaves_its_reason_to_the_verdict(world, direction):
    error = {"Error": "Sandbox.Timedout", "Cause": "too long"}
    command = world.command("a", state={"phase": "add_products", "error": error})
    run_step(world.context, "note_chunk_failure", direction, command)
    tally = world.tally("add_products")
    assert tally.reasons == ("snapshot-000000: Sandbox.Timedout: too long",)
    assert (tally.finished, tally.failed) == (False, 1)
    assert world.run.notes == (
        "add_products failed for snapshot-000000: Sandbox.Timedout: too long",
    )
    assert world.ledger.tallies(ID, "add_products", "snapshot-") == [tally]
