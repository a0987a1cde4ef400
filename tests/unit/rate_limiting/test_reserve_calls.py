"""Refreshes, a reconcile and a migration together stay below Codat's limit for one address."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest

from codat_hub.codat.errors import RateLimited
from codat_hub.rate_limiting.domain.pace import MIGRATION_PER_SECOND, Pace
from codat_hub.rate_limiting.domain.rate_limiter import MIGRATION, RECONCILE, RateLimiter
from codat_hub.rate_limiting.usecases.reserve_calls import ReserveCalls, ReserveForReconcile
from codat_hub.reconcile.adapters.codat_observer import Observer
from tools.simulation.refresh_world import MINUTE, START, World, a_product, busiest_minute
from tools.simulation.silence import silence

SECOND = timedelta(seconds=1)
COMES_BACK = timedelta(seconds=330)  # as the template's queue has it
ALL = 870  # in any 60 seconds; 30 more are people's


@dataclass
class Answered:
    value: object = None
    quota: object = None


class Reconcile:
    """Steps of twenty calls by the real observer; a step that has to wait is repeated later.

    calls: when each left
    refused: when a step had to wait
    """

    def __init__(self, world, steps):
        self.world, self.left = world, steps
        self.calls, self.refused = [], []
        self.done_of_step = 0
        self.reserve = ReserveForReconcile(world.limiters, world.now)
        self.observer = Observer(
            self,
            per_second=self.pace,
            clock=lambda: (world.now() - START) / SECOND,
            sleep=lambda _: None,  # `call` is what waits on this clock
        )

    def pace(self):
        self.a_second = self.reserve()
        return self.a_second

    def company(self, company_id):
        self.calls.append(self.world.now())
        return Answered()

    def call(self):
        now = self.world.now()
        try:
            self.observer.exists("c")
        except RateLimited as limit:
            self.refused.append(now)
            self.done_of_step = 0
            self.world.at(max(limit.retry_at, now + COMES_BACK), self.call)
            return
        self.done_of_step += 1
        if self.done_of_step == 20:
            self.left, self.done_of_step = self.left - 1, 0
        if self.left:
            self.world.at(now + SECOND / self.a_second, self.call)


class Migration:
    """Chunks of a minute; each reserves its calls and makes all of them."""

    def __init__(self, world, a_second, chunks):
        self.world, self.a_second, self.left = world, a_second, chunks
        self.calls = []

    def chunk(self):
        if not self.left:
            return
        now = self.world.now()
        try:
            reserve = ReserveCalls(self.world.limiters, self.world.now)
            reserve(60 * self.a_second, now + 2 * MINUTE)
        except RateLimited as limit:
            self.world.at(limit.retry_at, self.chunk)
            return
        self.left -= 1
        self.calls += [now + place * SECOND / self.a_second for place in range(60 * self.a_second)]
        self.world.at(now + MINUTE, self.chunk)


@pytest.fixture
def world():
    world = World(lock="product")
    world.register(a_product("a"))
    return world


@pytest.fixture
def busy(world):
    """Two thousand refreshes are due, two and a half minutes at the full pace."""
    for number in range(2000):
        company_id = f"a{number:05}"
        world.assign(company_id, "a")
        world.opened(company_id)
    return world


def all_calls(world, *others):
    return sorted([*world.codat.calls, *(call for other in others for call in other.calls)])


def run(world, minutes):
    with silence():
        world.dispatching().run_until(START + minutes * MINUTE)


@pytest.mark.parametrize("begin", [0, 61, 119])
def test_a_reconcile_amid_a_burst_of_refreshes_does_not_raise_the_pace(busy, begin):
    reconcile = Reconcile(busy, steps=60)
    busy.at(START + begin * SECOND, reconcile.call)
    run(busy, 20)
    assert busiest_minute(all_calls(busy, reconcile)) <= 900
    assert len(reconcile.calls) >= 1200
    assert len(reconcile.refused) <= 1  # then the refreshes have made room
    assert len(busy.codat.accepted) == 2000


def test_refreshes_have_their_pace_back_soon_after_it(world):
    Reconcile(world, steps=1).call()
    limiter, _ = world.limiters.get()
    assert limiter.per_second(world.clock) == 9
    assert limiter.per_second(world.clock + 8 * MINUTE) == 14


def test_beside_a_migration_at_its_usual_pace_all_three_stay_within_it(busy):
    reconcile, migration = Reconcile(busy, steps=60), Migration(busy, 5, chunks=15)
    busy.at(START + 70 * SECOND, migration.chunk)
    busy.at(START + 200 * SECOND, reconcile.call)
    run(busy, 20)
    assert busiest_minute(all_calls(busy, reconcile, migration)) <= 900
    assert len(busy.codat.accepted) == 2000
    assert len(reconcile.calls) >= 1200
    assert reconcile.calls[-1] < migration.calls[-1]  # without waiting for its end


@pytest.mark.parametrize("begin", [60, 70, 100])
def test_beside_a_migration_at_its_fastest_it_slows_down_and_stays_within_it(busy, begin):
    fastest = MIGRATION_PER_SECOND
    reconcile, migration = Reconcile(busy, steps=60), Migration(busy, fastest, chunks=12)
    busy.at(START + 90 * SECOND, migration.chunk)
    busy.at(START + begin * SECOND, reconcile.call)
    run(busy, 30)
    assert busiest_minute(all_calls(busy, reconcile, migration)) <= ALL
    beside = [call for call in reconcile.calls if call < migration.calls[-1]]
    assert len(beside) > 300  # it goes on, slowly
    assert len(reconcile.calls) >= 1200
    assert len(busy.codat.accepted) == 2000


def test_a_reconcile_waits_for_calls_that_refreshes_made_before_they_made_room(world):
    reserve = ReserveForReconcile(world.limiters, world.now)
    just_now = int(world.clock.timestamp())
    world.limiters.put(RateLimiter(pace=Pace(((just_now - 20, 300), (just_now, 500)))), 0)
    with pytest.raises(RateLimited) as wait:
        reserve()
    assert wait.value.retry_at == world.clock + 41 * SECOND
    assert world.limiters.get()[0].ceiling(world.clock) == 570
    world.clock = wait.value.retry_at
    assert reserve() == 5


def test_a_reconcile_makes_room_for_a_migration_and_takes_it_back(world):
    reserve = ReserveForReconcile(world.limiters, world.now)
    migrate = ReserveCalls(world.limiters, world.now)
    for a_second, own, left in ((8, 5, 90), (9, 1, 270), (12, 1, 90)):
        with suppress(RateLimited):  # until the reconcile is slow enough
            migrate(60 * a_second, world.clock + MINUTE)
        assert reserve() == own
        assert world.limiters.get()[0].ceiling(world.clock) == left
    world.clock += MINUTE
    assert reserve() == 5
    assert world.limiters.get()[0].ceiling(world.clock) == 570


def test_each_holder_keeps_its_own_reservation(world):
    ReserveCalls(world.limiters, world.now)(100, START + MINUTE)
    assert ReserveForReconcile(world.limiters, world.now)() == 5
    ReserveCalls(world.limiters, world.now)(200, START + 2 * MINUTE)
    kept = world.limiters.get()[0].reservations
    assert {holder: reservation.calls for holder, reservation in kept.items()} == {
        MIGRATION: 200,
        RECONCILE: 300,
    }


def test_most_calls_read_the_limiter_and_write_nothing(world):
    reserve = ReserveForReconcile(world.limiters, world.now)
    reads, writes = world.table.reads, world.table.writes
    for _ in range(600):  # ten minutes
        assert reserve() == 5
        world.clock += SECOND
    assert (world.table.reads - reads, world.table.writes - writes) == (600, 2)


@pytest.mark.parametrize("begin", [60, 61, 90, 119])
def test_in_the_minute_before_a_reservation_no_more_calls_leave_than_in_any_other(busy, begin):
    migration = Migration(busy, MIGRATION_PER_SECOND, chunks=3)
    busy.at(START + begin * SECOND, migration.chunk)
    run(busy, 10)
    assert busiest_minute(all_calls(busy, migration)) <= ALL
    assert len(migration.calls) == 3 * 60 * MIGRATION_PER_SECOND


def test_a_migration_waits_a_minute_for_a_reconcile_that_was_faster(world):
    assert ReserveForReconcile(world.limiters, world.now)() == 5
    migrate = ReserveCalls(world.limiters, world.now)
    with pytest.raises(RateLimited) as wait:
        migrate(720, world.clock + 3 * MINUTE)
    assert wait.value.retry_at == world.clock + 61 * SECOND
    assert ReserveForReconcile(world.limiters, world.now)() == 1
    world.clock = wait.value.retry_at
    migrate(720, world.clock + 3 * MINUTE)
