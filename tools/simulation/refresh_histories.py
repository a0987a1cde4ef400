"""Long histories of refreshes, drawn from a seed, for the tests and for tools.bench.refresh."""

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from codat_hub.codat import errors
from codat_hub.refresh.domain.ticket import TicketStatus
from tools.simulation.refresh_world import (
    DAILY,
    EIGHT_HOURLY,
    MINUTE,
    START,
    World,
    a_product,
    busiest_minute,
)

HOUR = timedelta(hours=1)
CLOSED = {"accepted", "completed", "still_syncing", "rate_limited", "failed", "cancelled"}


@dataclass
class History:
    """What became of every slot. `missed`, `twice` and `unexplained` have to be empty."""

    slots: int
    ended: Counter
    missed: list
    twice: list
    unexplained: list
    dead: int
    calls: int
    accepted: int
    busiest: int
    world: World


def a_slotted_world(companies, seed):
    """Return a world with a daily product and one of three slots a day, its companies and slots.

    The slots are added as they come: company, product and time.
    """
    world = World(seed=seed)
    daily, often = a_product("daily", DAILY), a_product("often", EIGHT_HOURLY)
    world.register(daily, often)
    names = [f"c{number:04}" for number in range(companies)]
    for place, name in enumerate(names):
        world.assign(name, "daily")
        if place % 2:
            world.assign(name, "often")
    expected = []

    def plan(product):
        def at(slot):
            having = names if product.identifier == "daily" else names[1::2]
            expected.extend((name, product.identifier, slot) for name in having)
            world.safely(lambda: world.planner(product.identifier, slot, _always))
            world.safely(lambda: world.planner(product.identifier, slot, _always))  # fires twice

        return at

    world.each_slot(daily, plan(daily))
    world.each_slot(often, plan(often))
    world.every_minute(lambda: world.safely(lambda: world.planner.resume(_always)))
    world.every_minute(lambda: world.safely(world.dispatcher))
    return world, names, expected


def a_month(companies, days, seed):
    """Simulate a daily product and one of three slots a day, with every kind of failure."""
    world, names, expected = a_slotted_world(companies, seed)
    _add_failures(world, names)
    world.dying(0.001)
    world.queue.duplicates = 0.01
    world.run_until(START + timedelta(days=days))
    ripe = [key for key in expected if key[2] < world.clock - timedelta(hours=15)]
    world.dying(0)
    world.run_until(world.clock + timedelta(hours=26))
    return _judged(world, ripe)


def add_reads_of_others(world, names):
    """Let other teams read some companies every quarter of an hour, for up to three hours."""
    chance = world.random.random

    def others_read():
        for _ in range(len(names) // 40 + 1):
            name = world.random.choice(names)
            if world.codat.reading.get((name,), START) <= world.clock:
                hours = world.random.choice((0.2, 0.5, 1, 3))
                world.codat.read(name, None, hours * HOUR * chance())
        world.at(world.clock + 15 * MINUTE, others_read)

    others_read()


def _add_failures(world, names):
    """Add other teams' reads, answers that fail or are lost, and a used-up quota."""
    chance = world.random.random

    def fault(company_id, product):
        if world.clock.day % 3 == 0 and world.clock.hour == 0:
            raise errors.RateLimited("quota", status=429, retry_at=world.clock + 3 * HOUR)
        drawn = chance()
        if drawn < 0.01:
            failure = errors.TryLater("oops", status=503)
            raise world.codat.answer_kept(world.codat.keys[-1], failure)
        if drawn < 0.015:
            raise errors.OutcomeUnknown("connection refused")
        if drawn < 0.025:
            return "after"
        if drawn < 0.027:
            raise errors.Forbidden("plan", status=403)
        return None

    world.codat.fault = fault
    add_reads_of_others(world, names)


def _always():
    return True


def _judged(world, expected):
    ended, missed, unexplained = Counter(), [], []
    for key in expected:
        ends = world.slots.get(key)
        if not ends:
            missed.append(key)
            continue
        last = ends[-1]
        ended[last] += 1
        if last not in CLOSED or (last in {"accepted", "completed"}) != (key in world.accepted_of):
            unexplained.append((key, ends, world.accepted_of[key]))
    twice = [key for key in expected if world.accepted_of[key] > 1]
    return History(
        slots=len(expected),
        ended=ended,
        missed=missed,
        twice=twice,
        unexplained=unexplained,
        dead=len(world.queue.dead),
        calls=len(world.codat.calls),
        accepted=len(world.codat.accepted),
        busiest=busiest_minute(world.codat.calls),
        world=world,
    )


@dataclass
class Wakes:
    """Seconds from the lock's release to acceptance, and Codat calls made."""

    waits: list
    calls: int
    accepted: int

    @property
    def median(self):
        return statistics.median(self.waits)


def busy_companies(count, seed, *, wakes):
    """Simulate companies that others read for minutes to hours when their slot comes."""
    world = World(seed=seed, wakes=wakes, read_time=lambda: 2 * MINUTE)
    world.register(a_product("a"))
    for number in range(count):
        name = f"c{number:04}"
        world.assign(name, "a")
        world.opened(name)
        world.codat.read(name, None, MINUTE * 5 * 48 ** world.random.random())
    world.dispatching().run_until(START + 14 * HOUR)
    return Wakes(world.codat.waits, len(world.codat.calls), len(world.codat.accepted))


def a_backlog(count):
    """Return when each call left, of tickets that are all due at once."""
    world = World(lock="product")
    world.register(a_product("a"))
    for number in range(count):
        name = f"c{number:05}"
        world.assign(name, "a")
        world.opened(name)
    world.dispatching().run_until(START + 45 * MINUTE)
    assert len(world.codat.calls) == len(set(world.codat.accepted)) == count
    return world.codat.calls


def cost_of_a_refresh():
    """Return writes of items, writes of the index and reads of each step of one refresh."""
    world = World(seed=1, window=timedelta(0), read_time=lambda: MINUTE)
    world.register(a_product("a"))
    world.assign("c1", "a")
    closed = {"status": TicketStatus.COMPLETED, "slot": START - HOUR}
    world.opened(**closed)
    cost = {}

    def step(name, what):
        nonlocal before
        what()
        after = _billed(world)
        cost[name] = tuple(now - then for now, then in zip(after, before, strict=True))
        before = after

    before = _billed(world)
    step("plan", lambda: world.opened(slot=START))
    step("dispatch", world.dispatcher)
    step("call", lambda: world.run_until(START + timedelta(seconds=1)))
    step("read event", lambda: world.run_until(START + 2 * MINUTE))
    assert world.ticket().status is TicketStatus.COMPLETED
    totals = (sum(column) for column in zip(*cost.values(), strict=True))
    return cost | {"sum": tuple(totals)}


def _billed(world):
    return world.table.writes, world.table.index_writes, world.table.reads
