"""Random but seeded: people, the watch, faults and functions that wake up late, all at once.

Whatever comes of it, in the end the client is fully migrated or fully restored.
"""

import contextlib
import random

import pytest

from codat_hub.errors import Conflict, Unavailable
from tests.support.migration.asl_walker import Failed
from tests.support.migration.world import OPERATOR, OTHER, PRODUCTS

ERRORS = ("Permanent", "AccessDenied", "Lambda.Unknown", "Unavailable", "States.Timeout")


class Interference:
    """Now and then around a step: a person acts, it fails, or another execution runs first."""

    def __init__(self, world, drawn):
        self.world, self.drawn = world, drawn
        self.share = drawn.choice([0.02, 0.08, 0.15])
        self.on, self.depth = True, 0
        self.acts = [self.abort, self.roll_back, self.force, self.look, self.start, self.die]

    def __call__(self, call, payload):
        fails = None
        if self.happens(self.share):
            act = self.drawn.choice([*self.acts, None, None])
            if act is None:
                fails = self.drawn.choice(["before", "after"])
            else:
                self.attempt(act)
        self.overtake()
        if fails == "before":
            raise Failed(self.drawn.choice(ERRORS), "drawn")
        answer = call(payload)
        self.overtake()
        if fails == "after":
            raise Failed(self.drawn.choice(ERRORS), "drawn")
        return answer

    def happens(self, share):
        return self.on and self.drawn.random() < share

    def overtake(self):
        """Run an execution that was started meanwhile, while this step stands still."""
        if self.world.executions.queue and self.depth < 3 and self.happens(0.6):
            self.depth += 1
            self.world.walk(*self.world.executions.queue.pop(0))
            self.depth -= 1

    def attempt(self, act):
        with contextlib.suppress(Conflict):
            act()

    def abort(self):
        self.world.executions.stop(self.world.run.execution, "by hand")

    def roll_back(self):
        self.world.migrations.rollback(self.world.migration_id, OPERATOR)

    def force(self):
        self.world.migrations.rollback(self.world.migration_id, OPERATOR, forced=True)

    def look(self):
        self.world.pass_time(self.drawn.choice([1, 120]))
        self.world.watch.look()

    def start(self):
        if self.world.lock.active():
            with pytest.raises(Conflict):
                self.world.migrations.start(self.world.request, OTHER)

    def die(self):
        """Ask for a rollback that dies before its execution is started."""
        kept, self.world.executions.start = self.world.executions.start, self.no_start
        with contextlib.suppress(Unavailable):
            self.attempt(self.roll_back)
        self.world.executions.start = kept

    @staticmethod
    def no_start(name, _state):
        raise Unavailable(f"{name} was not started")


def to_the_end(world):
    """Let the hourly watch and a person bring the run to its end, without interference."""
    for _ in range(12):
        world.go()
        if world.run.status.final:
            return world.run
        if world.run.status == "rollback_incomplete":
            world.migrations.rollback(world.migration_id, OPERATOR)
        else:
            world.pass_time(3600)
            world.watch.look()
    raise AssertionError(f"it does not end: {world.run}")


# The last three seeds once ended as neither.
@pytest.mark.parametrize("seed", [*range(20), 295, 457, 712])
def test_it_ends_migrated_or_restored(worlds, seed):
    drawn = random.Random(seed)
    world = worlds(companies=drawn.choice([3, 6]))
    before = world.codat_now()
    world.around = interference = Interference(world, drawn)
    world.start(mode=drawn.choice(["api", "portal"]))
    world.go()
    interference.on = False
    run = to_the_end(world)
    if run.status == "complete":
        assert all(
            set(PRODUCTS) <= set(company.products) for company in world.state.companies.values()
        )
        settings = world.codat.client_settings()["settings"]
        assert {setting["syncSchedule"] for setting in settings} == {0}
        world.migrations.rollback(world.migration_id, OPERATOR, forced=True)
        run = to_the_end(world)
    assert run.status in {"rolled_back", "failed"}
    assert world.codat_now() == before
    assert not [e for e in world.ledger.under(world.migration_id, "").values() if e.ours]
    assert world.lock.active() is None
