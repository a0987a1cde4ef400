from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.migration.domain.run import Activity, MigrationStatus, Pause, WaitingFor
from codat_hub.migration.usecases.listing import LATE_UNCHECKED
from codat_hub.migration.usecases.watch import AUTOMATIC_TRIES, WatchMigrations
from tests.support.migration.step_world import HOUR, ID, NOW


@pytest.fixture
def watch(world):
    world.latest(ID)
    world.executions.status[ID] = "ABORTED"
    return WatchMigrations(world.ledger, world.executions, lambda: world.now)


def test_its_clock_is_aware():
    assert WatchMigrations(None, None).now().utcoffset() == timedelta(0)


def test_the_end_of_another_execution_is_nothing(world, watch):
    assert watch.ended("m-nobody") == "nothing"
    world.change(execution=f"{ID}-rollback-1")
    assert watch.ended(ID) == "nothing"


@pytest.mark.parametrize("status", [s for s in MigrationStatus if s.final])
def test_a_run_that_is_over_is_left_alone(world, watch, status):
    world.change(status=status, reached=Activity.ADD_PRODUCTS)
    assert watch.ended(ID) == "nothing"
    assert watch.look() == ([], "nothing")
    assert world.run.status is status


def test_a_run_that_lives_is_left_alone(world, watch):
    world.executions.status[ID] = "RUNNING"
    assert (watch.ended(ID), watch.look()[1]) == ("nothing", "nothing")


def test_a_run_that_died_before_any_change_failed(world, watch):
    assert watch.ended(ID) == "failed"
    assert world.run.error == f"execution {ID} ended without a result"
    assert world.run.ended_at == NOW


def test_a_run_that_died_after_all_activities_is_complete(world, watch):
    world.change(reached=Activity.ADD_PRODUCTS, migrated=True)
    assert watch.ended(ID) == "complete"
    (note,) = world.run.notes
    why = f"execution {ID} ended without a result"
    assert note.startswith(f"the check of the first reads was cut short: {why}")
    assert LATE_UNCHECKED in note


def test_a_run_that_died_after_its_last_look_for_late_companies_does_not_ask_for_another(
    world, watch
):
    world.change(reached=Activity.ADD_PRODUCTS, migrated=True, chunks={"late-1": 0})
    assert watch.ended(ID) == "complete"
    assert LATE_UNCHECKED not in world.run.notes[0]


@pytest.mark.parametrize("reached", list(Activity))
def test_a_run_that_died_in_an_activity_is_rolled_back(world, watch, reached):
    world.change(reached=reached)
    assert watch.ended(ID) == "rollback"
    assert watch.ended(ID) == "nothing"  # the event may come twice
    assert [name for name, _ in world.executions.queue] == [f"{ID}-rollback-1"]
    assert (world.run.status, world.run.on_demand) == ("rolling_back", False)


def test_a_rollback_that_another_caller_starts_first_is_left_to_it(world, watch):
    world.change(reached=Activity.ADD_PRODUCTS)
    change = world.ledger.change

    def after_another(migration_id, decide):
        change(migration_id, lambda run: replace(run, execution=f"{ID}-rollback-1"))
        return change(migration_id, decide)

    world.ledger.change = after_another
    assert watch.ended(ID) == "nothing"
    assert world.executions.queue == []


def test_a_rollback_that_dies_is_begun_anew_until_a_person_is_called(world, watch):
    world.change(reached=Activity.ADD_PRODUCTS)
    actions = []
    for _ in range(AUTOMATIC_TRIES + 1):
        actions.append(watch.ended(world.run.execution))
        world.executions.status[world.run.execution] = "ABORTED"
    assert actions == ["rollback"] * AUTOMATIC_TRIES + ["incomplete"]
    assert world.run.status == "rollback_incomplete"
    assert watch.look() == ([], "nothing")


def test_a_wait_for_a_person_is_reported_with_its_hours(world, watch):
    world.executions.status[ID] = "RUNNING"
    world.change(pause=Pause(WaitingFor.APPROVAL, NOW, "token"))
    world.now = NOW + 3 * HOUR
    (wait,), action = watch.look()
    assert (wait.migration_id, wait.waiting_for, wait.hours) == (ID, "approval", 3)
    assert action == "nothing"


def test_without_a_migration_there_is_nothing_to_watch(world):
    watch = WatchMigrations(world.ledger, world.executions, lambda: world.now)
    assert watch.look() == ([], "nothing")
