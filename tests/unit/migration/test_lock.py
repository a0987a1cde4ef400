from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity, MigrationRequest, MigrationStatus
from codat_hub.migration.usecases.context import company_entry
from codat_hub.migration.usecases.lock import STARTS_WITHIN, MigrationLock
from tests.support.migration.step_world import HOUR, ID, NOW


@pytest.fixture
def world(world):
    world.latest(ID)
    world.executions.status[ID] = "RUNNING"
    return world


def test_its_clock_is_aware_and_a_start_takes_a_minute_at_most():
    """A function lives for 28 seconds."""
    assert MigrationLock(None, None).now().utcoffset() == timedelta(0)
    assert timedelta(seconds=60) == STARTS_WITHIN


class TestLives:
    @pytest.mark.parametrize(
        ("status", "age", "lives"),
        [
            ("RUNNING", 24 * HOUR, True),
            ("ABORTED", 0 * HOUR, False),
            (None, STARTS_WITHIN - HOUR / 3600, True),
            (None, STARTS_WITHIN, False),
        ],
    )
    def test_an_execution_lives_while_it_runs_or_is_just_being_started(
        self, world, status, age, lives
    ):
        world.executions.status = {ID: status} if status else {}
        world.now = NOW + age
        assert world.lock.lives(world.run) is lives

    def test_a_run_from_before_this_field_counts_from_its_start(self, world):
        world.executions.status = {}
        assert world.lock.lives(replace(world.run, execution_at=None))
        world.now = NOW + HOUR
        assert not world.lock.lives(replace(world.run, execution_at=None))


class TestActive:
    def test_it_is_the_migration_that_was_started_last(self, world):
        assert world.lock.active().migration_id == ID
        world.another("m-2", status=MigrationStatus.COMPLETE)
        world.latest("m-2")
        assert world.lock.active() is None
        assert world.lock.still_active(ID).migration_id == ID
        assert world.lock.still_active(None) is None

    def test_a_dead_run_holds_only_what_it_may_have_changed(self, world):
        world.executions.status[ID] = "ABORTED"
        assert world.lock.active() is None
        world.change(reached=Activity.DISABLE_CLIENT_SYNC)
        assert world.lock.active().migration_id == ID


class TestHolds:
    def test_only_products_of_the_run_are_held(self, world):
        assert world.lock.holds("a", "lending")
        assert not world.lock.holds("a", "banking")

    def test_of_a_list_only_its_companies_are_held(self, world):
        world.change(request=MigrationRequest(("lending",), company_ids=("a",)))
        assert world.lock.holds("a", "lending")
        assert not world.lock.holds("b", "lending")

    def test_of_tags_the_companies_of_the_snapshot_are_held(self, world):
        world.change(request=MigrationRequest(("lending",), tags={"region": "uk"}))
        world.ledger.first(ID, company_entry("a"), LedgerEntry({"settings": None}))
        assert world.lock.holds("a", "lending")
        assert not world.lock.holds("b", "lending")

    def test_nothing_is_held_once_the_run_is_over(self, world):
        world.change(status=MigrationStatus.COMPLETE)
        assert not world.lock.holds("a", "lending")
