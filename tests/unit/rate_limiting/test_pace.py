"""Never more calls than the limit in any 60 seconds, whenever they leave."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from codat_hub.rate_limiting.domain.pace import Pace, delay

START = datetime(2026, 7, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
gaps = st.lists(st.floats(0, 20), min_size=1, max_size=80)
clocks = st.lists(st.floats(0, 1), min_size=80, max_size=80)


@given(gaps, clocks, st.integers(1, 12))
def test_no_60_seconds_hold_more_than_the_limit_though_clocks_differ_by_a_second(
    waits, ahead, limit
):
    pace, at, calls = Pace(), START, []
    for gap, clock in zip(waits, ahead, strict=False):
        at += gap * SECOND
        now = at + clock * SECOND
        if pace.within(now) < limit:
            pace = pace.taken(now, now)
            calls.append(at)
    for call in calls:
        within = [other for other in calls if call <= other < call + 60 * SECOND]
        assert len(within) <= limit


def test_a_call_counts_until_62_seconds_of_the_clock_are_over():
    pace = Pace().taken(START + 0.9 * SECOND, START)
    assert [pace.within(START + n * SECOND) for n in (0, 61, 61.99, 62)] == [1, 1, 1, 0]


def test_a_call_that_leaves_later_counts_now_and_forgets_none_of_the_last_minute():
    pace = Pace().taken(START, START).taken(START + 70 * SECOND, START + 60 * SECOND)
    assert pace.within(START + 60 * SECOND) == 2
    assert pace.within(START + 62 * SECOND) == 1


def test_a_process_whose_clock_is_a_second_ahead_forgets_nothing_that_counts_for_others():
    pace = Pace().taken(START, START).taken(START + 62 * SECOND, START + 62 * SECOND)
    assert pace.within(START + 61 * SECOND) == 2


@given(st.integers(1, 5), st.integers(0, 30))
def test_a_caller_makes_at_most_so_many_calls_in_each_second(per_second, calls):
    pace, times = Pace(), []
    for _ in range(calls):
        at = pace.free_at(START + 0.5 * SECOND, per_second)
        pace = pace.taken(at, START)
        times.append(at)
    assert times == [
        START + max(place // per_second, 0.5 * (place < per_second)) * SECOND
        for place in range(calls)
    ]


def test_it_remembers_a_minute_and_no_more():
    pace = Pace()
    for second in range(1000):
        pace = pace.taken(START + timedelta(seconds=second), START + timedelta(seconds=second))
    assert len(pace.calls) == 63


@given(st.integers(0, 2000), st.integers(1, 14))
def test_a_burst_is_spread_over_whole_seconds(place, per_second):
    wait = delay(place, per_second)
    assert wait == timedelta(seconds=place // per_second)
    assert delay(place + per_second, per_second) - wait == timedelta(seconds=1)
