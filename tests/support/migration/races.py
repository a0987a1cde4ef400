"""Two callers at the same moment, for tests of migrations."""

from codat_hub.migration.domain.run import MigrationRequest
from tests.support.migration.world import PRODUCTS

REQUEST = MigrationRequest(PRODUCTS)


def meanwhile(port, name, act):
    """Call `act` just before a port is called for the first time."""
    inner, done = getattr(port, name), []

    def call(*args, **kwargs):
        if not done:
            done.append(name)
            act()
        return inner(*args, **kwargs)

    setattr(port, name, call)


def active(world):
    """Return the executions that were started and are not stopped."""
    return [name for name, _ in world.executions.queue if world.executions.runs(name)]


def rollbacks(world):
    return [name for name, _ in world.executions.queue if "-rollback-" in name]
