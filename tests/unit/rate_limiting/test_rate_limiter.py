"""The one limiter: what keeps a refresh back, what others reserve, what is known of the quota."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat.domain.quota import Quota
from codat_hub.rate_limiting.domain.breaker import PROBE_EVERY, Breaker, Cause
from codat_hub.rate_limiting.domain.pace import LIMIT, Pace
from codat_hub.rate_limiting.domain.rate_limiter import (
    CALLERS,
    COMMANDS,
    MIGRATION,
    RECONCILE,
    REFRESHES,
    KnownQuota,
    RateLimiter,
    Wait,
    probing_limiter,
)
from codat_hub.rate_limiting.domain.waits import Waits

NOW = datetime(2026, 7, 1, 22, tzinfo=UTC)
MIDNIGHT = datetime(2026, 7, 2, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
FULL = Pace(((int(NOW.timestamp()), 870),))
USED_UP = KnownQuota(1000, 200, MIDNIGHT, NOW)
OPEN = Breaker(Cause.FORBIDDEN, NOW, NOW + MINUTE)


@pytest.mark.parametrize(
    "reported", [None, MIDNIGHT, NOW + timedelta(days=400), datetime.max.replace(tzinfo=UTC)]
)
def test_the_reserve_is_kept_until_midnight_at_the_latest(reported):
    limiter = RateLimiter().noting(Quota(1000, 100, reported), NOW)
    assert limiter.reserve_until(NOW) == MIDNIGHT
    assert limiter.reserve_until(MIDNIGHT) is None


def test_a_reset_that_is_over_is_not_believed_and_the_reserve_is_kept():
    for said in (NOW, NOW - timedelta(seconds=1), datetime.min.replace(tzinfo=UTC)):
        limiter = RateLimiter().noting(Quota(1000, 100, said), NOW)
        assert limiter.reserve_until(NOW) == MIDNIGHT


@pytest.mark.parametrize(("remaining", "left"), [(1000, 800), (201, 1), (200, 0), (0, 0)])
def test_schedules_have_what_is_left_above_a_fifth_of_the_quota(remaining, left):
    limiter = RateLimiter().noting(Quota(1000, remaining, MIDNIGHT), NOW)
    assert limiter.scheduled_left(NOW) == left
    assert (limiter.reserve_until(NOW) is None) == (left > 0)


def test_a_refresh_waits_for_the_breaker_first_then_the_reserve_then_the_pace():
    limiter = RateLimiter(OPEN, FULL, USED_UP)
    assert limiter.wait(NOW, None, by_person=False) == Wait(Waits.BREAKER, NOW + MINUTE)
    limiter = RateLimiter(Breaker(), FULL, USED_UP)
    assert limiter.wait(NOW, None, by_person=False) == Wait(Waits.RESERVE, MIDNIGHT)
    assert limiter.wait(NOW, None, by_person=True) == Wait(Waits.PACE, NOW + 62 * SECOND)
    assert RateLimiter(quota=USED_UP).wait(NOW, None, by_person=True) is None


def test_an_open_breaker_blocks_all_refreshes_even_while_its_probe_is_due():
    limiter = RateLimiter(OPEN)
    assert limiter.blocked_by(NOW, None) is limiter.blocked_by(NOW + MINUTE, None) is Waits.BREAKER
    assert RateLimiter(pace=FULL).blocked_by(NOW, None) is None


def counted(at, **calls):
    """Return a limiter that has counted calls of each caller at a time."""
    second = int(at.timestamp())
    paces = {caller: Pace(((second, count),)) for caller, count in calls.items()}
    return RateLimiter(pace=paces.pop(REFRESHES, Pace()), others=paces)


calls = st.integers(0, 2000)


@given(st.tuples(calls, calls, calls, calls), calls, calls)
def test_what_is_kept_for_all_callers_together_is_within_the_limit(made, migration, reconcile):
    limiter = counted(NOW, **dict(zip(CALLERS, made, strict=True)))
    limiter = limiter.reserving(MIGRATION, migration, NOW + MINUTE)
    limiter = limiter.reserving(RECONCILE, reconcile, NOW + 2 * MINUTE)
    if sum(made) >= LIMIT:
        assert all(limiter.full_until(caller, NOW) for caller in CALLERS)
        return
    for caller, least in ((REFRESHES, 62), (COMMANDS, 30)):
        if made[CALLERS.index(caller)] < least:
            assert limiter.full_until(caller, NOW) is None
    quiet = RateLimiter(reservations=limiter.reservations)
    assert quiet.ceiling(REFRESHES, NOW) >= 62
    assert quiet.ceiling(COMMANDS, NOW) >= 30
    assert quiet.ceiling(MIGRATION, NOW) >= min(migration, 744)
    assert quiet.ceiling(RECONCILE, NOW) >= 62


@given(st.tuples(calls, calls, calls, calls), st.sampled_from(CALLERS))
def test_a_caller_is_told_the_first_second_with_room(made, caller):
    limiter = counted(NOW - 30 * SECOND, **dict(zip(CALLERS, made, strict=True)))
    limiter = limiter.reserving(RECONCILE, 310, NOW + 10 * SECOND)
    until = limiter.full_until(caller, NOW)
    if until is not None:
        assert limiter.full_until(caller, until) is None
        assert limiter.full_until(caller, until - SECOND) is not None


def test_reservations_are_taken_off_the_refreshes_while_they_last():
    limiter = RateLimiter().reserving(MIGRATION, 310, NOW + MINUTE)
    limiter = limiter.reserving(RECONCILE, 200, NOW + 2 * MINUTE)
    assert limiter.ceiling(REFRESHES, NOW) == 900 - 30 - 310 - 200
    assert limiter.ceiling(REFRESHES, NOW + MINUTE) == 900 - 30 - 200
    assert limiter.ceiling(REFRESHES, NOW + 2 * MINUTE) == 870


def test_the_calls_of_others_count_where_they_exceed_what_is_kept_for_them():
    limiter = counted(NOW, commands=100, migration=400)
    limiter = limiter.reserving(MIGRATION, 310, NOW + MINUTE)
    assert limiter.ceiling(REFRESHES, NOW) == 400
    assert limiter.ceiling(REFRESHES, NOW + 62 * SECOND) == 870


def test_a_reconcile_is_slow_beside_a_migration_that_leaves_it_no_room():
    def beside(calls):
        limiter = RateLimiter().reserving(MIGRATION, calls, NOW + MINUTE)
        return limiter.reconcile_per_second(NOW), limiter.reconcile_per_second(NOW + MINUTE)

    assert beside(498) == (5, 5)
    assert beside(499) == (1, 5)


def test_what_an_ended_reconcile_had_reserved_does_not_stop_refreshes_beside_a_migration():
    limiter = RateLimiter().reserving(RECONCILE, 310, NOW + 8 * MINUTE)
    limiter = limiter.reserving(MIGRATION, 744, NOW + MINUTE)
    assert limiter.ceiling(REFRESHES, NOW) == 64


def test_the_dispatcher_sends_fourteen_a_second_or_its_part():
    assert RateLimiter().per_second(NOW) == 14
    assert RateLimiter().reserving(MIGRATION, 310, NOW + MINUTE).per_second(NOW) == 9
    assert RateLimiter().reserving(MIGRATION, 5000, NOW + MINUTE).per_second(NOW) == 2
    assert counted(NOW, commands=890).per_second(NOW) == 1


@pytest.mark.parametrize("quota", [None, Quota(), Quota(limit=1000), Quota(remaining=5)])
def test_an_answer_without_a_whole_quota_changes_nothing(quota):
    limiter = RateLimiter(quota=USED_UP)
    assert limiter.noting(quota, NOW) is limiter


@pytest.mark.parametrize(
    ("quota", "later", "noted"),
    [
        (Quota(1000, 495, MIDNIGHT), SECOND, False),
        (Quota(1000, 490, MIDNIGHT), SECOND, True),  # a hundredth of the quota
        (Quota(1000, 499, MIDNIGHT), MINUTE, True),
        (Quota(1000, 499, MIDNIGHT - MINUTE), SECOND, True),
        (Quota(2000, 499, MIDNIGHT), SECOND, True),
    ],
)
def test_a_quota_is_written_each_minute_or_when_it_has_moved(quota, later, noted):
    limiter = RateLimiter().noting(Quota(1000, 500, MIDNIGHT), NOW)
    assert (limiter.noting(quota, NOW + later) is not limiter) is noted


def test_the_call_that_reaches_the_reserve_is_always_noted():
    limiter = RateLimiter().noting(Quota(1000, 201, MIDNIGHT), NOW)
    assert limiter.noting(Quota(1000, 200, MIDNIGHT), NOW).reserve_until(NOW) == MIDNIGHT


def test_a_call_that_passes_is_counted():
    passed = RateLimiter().passed(NOW, None)
    assert passed.pace.calls == ((int(NOW.timestamp()), 1),)


def test_in_place_of_an_unreadable_limiter_a_probe_leaves_after_five_minutes():
    limiter = probing_limiter(NOW)
    assert {limiter.full_until(caller, NOW) for caller in CALLERS} == {NOW + 62 * SECOND}
    until = NOW + PROBE_EVERY
    assert limiter.wait(NOW, None, by_person=True) == Wait(Waits.RATE_LIMIT, until)
    assert limiter.wait(until, None, by_person=True) is None
    assert limiter.passed(until, None).breaker.blocked_until(until, None) == until + PROBE_EVERY
