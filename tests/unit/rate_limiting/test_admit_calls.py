"""All callers of Codat together make at most 900 calls in any 60 seconds, and each has its part."""

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.codat.errors import RateLimited
from codat_hub.errors import Unreadable
from codat_hub.rate_limiting.domain.pace import MIGRATION_PER_SECOND, Pace
from codat_hub.rate_limiting.domain.rate_limiter import (
    COMMANDS,
    MIGRATION,
    RECONCILE,
    RateLimiter,
)
from codat_hub.rate_limiting.usecases.admit_calls import (
    AdmitCalls,
    for_commands,
    for_migrations,
    for_reconciles,
)
from tools.simulation.refresh_world import MINUTE, START, World, a_product, busiest_minute
from tools.simulation.silence import silence

SECOND = timedelta(seconds=1)
COMES_BACK = timedelta(seconds=330)  # a reconcile, as the template's queue has it
LIMIT = 900


class Limiters:
    """The limiter in memory. Some writes lose a race, as `races` draws it."""

    def __init__(self, races=lambda: False):
        self.limiter, self.version, self.writes = RateLimiter(), 0, 0
        self.races, self.spoilt = races, False

    def get(self):
        if self.spoilt:
            raise Unreadable("the rate limiter", "calls")
        return self.limiter, self.version

    def put(self, limiter, version):
        if version != self.version or self.races():
            return False
        self.limiter, self.version, self.writes = limiter, version + 1, self.writes + 1
        return True

    def replace(self, limiter):
        self.spoilt = False
        return self.put(limiter, self.version)


@dataclass
class Process:
    """A process that calls Codat again as soon as an answer is there.

    admission: returns the admission of its calls
    ahead: by how much its clock is ahead of the true time
    answer: seconds from a call to the next
    """

    world: World
    admission: object
    limiters: object
    left: int
    ahead: timedelta = timedelta(0)
    answer: float = 0.1
    comes_back: timedelta = timedelta(0)
    calls: list = field(default_factory=list)
    refused: list = field(default_factory=list)

    def __post_init__(self):
        self.slept = 0.0
        now = lambda: self.world.now() + self.ahead  # noqa: E731
        made = self.admission(self.limiters)
        self.admit = replace(made, now=now, sleep=self._sleep, chance=self.world.random.random)

    def _sleep(self, seconds):
        self.slept += seconds

    def call(self):
        if not self.left:
            return
        now, self.slept = self.world.now(), 0.0
        try:
            self.admit()
        except RateLimited as limit:
            self.refused.append(now)
            again = max(limit.retry_at - self.ahead, now + max(self.comes_back, 0.1 * SECOND))
            self.world.at(again, self.call)
            return
        self.left -= 1
        leaves = now + self.slept * SECOND
        self.calls.append(leaves)
        self.world.at(leaves + self.answer * SECOND, self.call)


class Refreshes(Process):
    """Refreshes as greedy as they can be: they know neither a dispatcher nor a lease."""

    def call(self):
        now = self.world.now()
        if not self.left:
            return
        limiter, version = self.limiters.get()
        wait = limiter.wait(now + self.ahead, None, by_person=False)
        if wait is None and self.limiters.put(limiter.passed(now + self.ahead, None), version):
            self.left -= 1
            self.calls.append(now)
        again = now + self.answer * SECOND if wait is None else wait.until - self.ahead
        self.world.at(max(again, now + 0.02 * SECOND), self.call)


def migrations_at(per_second):
    return lambda limiters: for_migrations(limiters, per_second)


KINDS = {
    "refreshes": for_commands,  # not used
    "commands": for_commands,
    "reconcile": for_reconciles,
    "migration": migrations_at(MIGRATION_PER_SECOND),
}
a_process = st.tuples(
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 130),  # the second in which it begins
    st.integers(1, 900),  # calls
    st.sampled_from([0.03, 0.1, 0.3]),
    st.floats(0, 1),  # its clock is ahead
)


def callers(world, limiters, drawn):
    made = []
    for kind, begin, calls, answer, ahead in drawn:
        a_kind = Refreshes if kind == "refreshes" else Process
        caller = a_kind(world, KINDS[kind], limiters, calls, ahead * SECOND, answer)
        world.at(START + begin * SECOND, caller.call)
        made.append(caller)
    return made


def calls_of(*made):
    return sorted(call for caller in made for call in caller.calls)


@settings(max_examples=8, deadline=None)
@given(st.lists(a_process, min_size=3, max_size=9), st.integers(0, 1000))
def test_whoever_calls_and_whenever_900_calls_leave_in_any_60_seconds(drawn, seed):
    world = World(seed)
    chance = random.Random(seed)
    made = callers(world, Limiters(races=lambda: chance.random() < 0.1), drawn)
    world.run_until(START + 3.5 * MINUTE)
    assert busiest_minute(calls_of(*made)) <= LIMIT


def everyone(world, limiters):
    """Everybody at once and as fast as they can, from the same second on, with clocks apart."""
    kinds = {kind: [(kind, 0, 10**6, 0.03, number / 3) for number in range(4)] for kind in KINDS}
    return {kind: callers(world, limiters, drawn) for kind, drawn in kinds.items()}


def test_everybody_at_once_has_his_part_and_together_they_use_the_whole_budget():
    world = World()
    made = everyone(world, Limiters())
    world.run_until(START + 4 * MINUTE)
    calls = {kind: calls_of(*processes) for kind, processes in made.items()}
    assert busiest_minute(sorted(call for each in calls.values() for call in each)) <= LIMIT
    late = {kind: sum(call > START + 2 * MINUTE for call in each) for kind, each in calls.items()}
    minutes = 2
    assert late["refreshes"] >= minutes * 59
    assert late["commands"] >= minutes * 28
    assert late["reconcile"] >= minutes * 58
    assert late["migration"] >= minutes * 58 * MIGRATION_PER_SECOND
    assert sum(late.values()) >= minutes * 60 * LIMIT / 62 - LIMIT / 10


@pytest.mark.parametrize("begin", [60, 61, 119])
def test_a_person_is_served_at_once_even_while_a_migration_begins_amid_refreshes(begin):
    world, limiters = World(), Limiters()
    refreshes = callers(world, limiters, [("refreshes", 0, 10**6, 0.03, 0.0)] * 4)
    migration = callers(world, limiters, [("migration", begin, 10**6, 0.1, 0.5)] * 4)
    people = callers(world, limiters, [("commands", 0, 10**6, 2.1, 0.9)])
    world.run_until(START + 3 * MINUTE)
    assert not people[0].refused
    assert max(after - before for before, after in pairwise(people[0].calls)) < 3 * SECOND
    assert busiest_minute(calls_of(*refreshes, *migration, *people)) <= LIMIT


@pytest.mark.parametrize("per_second", [1, 5, 12])
def test_a_migration_and_three_dry_runs_share_one_reservation(per_second):
    world, limiters = World(), Limiters()
    runs = [
        Process(world, migrations_at(per_second), limiters, 10**6, number / 16 * SECOND)
        for number in range(16)  # four chunks of each at once
    ]
    for run in runs:
        world.at(START, run.call)
    world.run_until(START + 5 * MINUTE)
    calls = calls_of(*runs)
    assert busiest_minute(calls) <= 61 * per_second
    assert len(calls) >= 0.98 * 300 * per_second  # all that is theirs
    kept = limiters.limiter.reservations[MIGRATION]
    assert kept.calls == 62 * per_second


# with the real refreshes


@pytest.fixture
def world():
    world = World(lock="product")
    world.register(a_product("a"))
    return world


@pytest.fixture
def busy(world):
    """Fifteen hundred refreshes are due, two minutes at the full pace."""
    for number in range(1500):
        company_id = f"a{number:05}"
        world.assign(company_id, "a")
        world.opened(company_id)
    return world


def reconcile_of(world, calls):
    return Process(world, for_reconciles, world.limiters, calls, comes_back=COMES_BACK)


def migration_of(world, per_second, calls):
    """The four chunks of a migration that run at once."""
    return [Process(world, migrations_at(per_second), world.limiters, calls // 4) for _ in range(4)]


def run(world, minutes):
    with silence():
        world.dispatching().run_until(START + minutes * MINUTE)


def all_calls(world, *others):
    return sorted([*world.codat.calls, *calls_of(*others)])


@pytest.mark.parametrize("begin", [0, 61, 119])
def test_a_reconcile_amid_a_burst_of_refreshes_does_not_raise_the_pace(busy, begin):
    reconcile = reconcile_of(busy, 600)
    busy.at(START + begin * SECOND, reconcile.call)
    run(busy, 15)
    assert busiest_minute(all_calls(busy, reconcile)) <= LIMIT
    assert len(reconcile.calls) == 600
    assert len(reconcile.refused) <= 1  # then the refreshes have made room
    assert len(busy.codat.accepted) == 1500


def test_refreshes_have_their_pace_back_soon_after_it(world):
    reconcile_of(world, 1).call()
    limiter, _ = world.limiters.get()
    assert limiter.per_second(world.clock) == 9
    assert limiter.per_second(world.clock + 8 * MINUTE) == 14


@pytest.mark.parametrize(
    ("begin", "per_second"), [(100, 5), (60, MIGRATION_PER_SECOND), (100, MIGRATION_PER_SECOND)]
)
def test_a_reconcile_goes_on_beside_a_migration_and_refreshes(busy, begin, per_second):
    reconcile, migration = reconcile_of(busy, 600), migration_of(busy, per_second, 480 * per_second)
    for chunk in migration:
        busy.at(START + 90 * SECOND, chunk.call)
    busy.at(START + begin * SECOND, reconcile.call)
    run(busy, 20)
    assert busiest_minute(all_calls(busy, reconcile, *migration)) <= LIMIT
    assert len(calls_of(*migration)) == 480 * per_second
    assert calls_of(*migration)[-1] < START + 90 * SECOND + 9 * MINUTE
    beside = [call for call in reconcile.calls if call < calls_of(*migration)[-1]]
    assert len(beside) > (100 if per_second > 8 else 500)  # it goes on
    assert len(reconcile.calls) == 600
    assert len(busy.codat.accepted) == 1500


# one call


def admission(limiters, clock, made=for_commands):
    slept = []
    return replace(made(limiters), now=lambda: clock[0], sleep=slept.append), slept


def full(at, calls=LIMIT):
    return RateLimiter(pace=Pace(((int(at.timestamp()), calls),)))


def test_a_call_waits_for_a_place_that_is_free_soon():
    limiters, clock = Limiters(), [START + 59 * SECOND]
    limiters.limiter = full(START)
    admit, slept = admission(limiters, clock)
    admit()
    assert slept == [3.0]
    assert limiters.limiter.others[COMMANDS].calls == ((int(START.timestamp()) + 62, 1),)


def test_a_call_that_would_wait_for_long_is_held_back_and_takes_no_place():
    limiters, clock = Limiters(), [START]
    limiters.limiter = full(START)
    admit, slept = admission(limiters, clock)
    with pytest.raises(RateLimited) as held:
        admit()
    assert held.value.held_back
    assert held.value.retry_at == START + 62 * SECOND
    assert held.value.retry_after == 62 * SECOND
    assert (slept, limiters.writes) == ([], 0)


def test_a_migration_that_is_held_back_has_its_reservation_all_the_same():
    limiters, clock = Limiters(), [START]
    limiters.limiter = full(START)
    admit, _ = admission(limiters, clock, migrations_at(12))
    with pytest.raises(RateLimited):
        admit()
    assert limiters.limiter.reservations[MIGRATION].until == START + 2 * MINUTE
    assert not limiters.limiter.others


def test_a_reconcile_makes_room_for_a_migration_and_takes_it_back():
    limiters, clock = Limiters(), [START]
    reconcile, _ = admission(limiters, clock, for_reconciles)
    for per_second, own in ((8, 5), (9, 1), (12, 1)):
        admission(limiters, clock, migrations_at(per_second))[0]()
        reconcile()
        assert limiters.limiter.reservations[RECONCILE].calls == 62 * own
    clock[0] += 2 * MINUTE
    reconcile()
    assert limiters.limiter.reservations[RECONCILE].calls == 62 * 5


def test_after_a_lost_limiter_nobody_calls_until_the_calls_it_knew_no_longer_count():
    limiters, clock = Limiters(), [START]
    limiters.spoilt = True
    for made in (for_commands, for_reconciles, migrations_at(5)):
        with pytest.raises(RateLimited) as held:
            admission(limiters, clock, made)[0]()
        assert held.value.retry_at == START + 62 * SECOND
    assert limiters.limiter.wait(START + 61 * SECOND, None, by_person=True) is not None
    clock[0] += 62 * SECOND
    admission(limiters, clock)[0]()


def test_processes_that_race_for_the_limiter_wait_a_little_and_try_again():
    lost = iter([True, True, False])
    limiters, clock = Limiters(races=lambda: next(lost)), [START]
    admit, slept = admission(limiters, clock)
    replace(admit, chance=lambda: 1.0)()
    assert slept == [0.02, 0.04]
    assert limiters.writes == 1


def test_an_admission_without_a_reservation_leaves_those_of_others():
    limiters, clock = Limiters(), [START]
    admission(limiters, clock, for_reconciles)[0]()
    admission(limiters, clock)[0]()
    assert set(limiters.limiter.reservations) == {RECONCILE}
    assert isinstance(for_commands(limiters), AdmitCalls)
