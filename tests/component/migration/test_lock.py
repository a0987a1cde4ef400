"""The lock: one migration at a time, and a dead run that changed nothing holds nothing."""

import types
from dataclasses import replace

import pytest

from codat_hub.errors import Conflict
from tests.support.migration.world import OPERATOR, in_the_middle


class TestTwoAtOnce:
    def test_a_second_run_is_refused_and_a_dry_run_is_not(self, world):
        world.start()
        with pytest.raises(Conflict, match="only one runs at a time"):
            world.start()
        assert world.migrations.start(dry(world), OPERATOR)

    def test_a_run_that_died_before_any_change_holds_nothing(self, world):
        first = world.start()
        world.executions.status[first] = "ABORTED"
        world.executions.queue.clear()
        assert world.lock.active() is None
        assert world.migrate().status == "complete"

    def test_a_run_that_died_after_a_change_blocks_others_until_it_is_rolled_back(self, world):
        in_the_middle(
            world, "add_products", lambda: world.executions.stop(world.migration_id, "by hand")
        )
        world.watch = types.SimpleNamespace(ended=lambda name: "nothing")
        world.migrate()
        assert world.lock.active().migration_id == world.migration_id


def dry(world):
    return replace(world.request, dry_run=True)
