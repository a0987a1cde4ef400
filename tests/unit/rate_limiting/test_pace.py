"""Never more calls than the limit in any 60 seconds, whenever they leave."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from codat_hub.rate_limiting.domain.pace import Pace, delay

START = datetime(2026, 7, 1, tzinfo=UTC)
gaps = st.lists(st.floats(0, 20), min_size=1, max_size=80)


@given(gaps, st.integers(1, 12))
def test_no_window_of_60_seconds_holds_more_than_the_limit(waits, limit):
    pace, now, calls = Pace(), START, []
    for gap in waits:
        now += timedelta(seconds=gap)
        if pace.full_until(now, limit) is None:
            pace = pace.taken(now)
            calls.append(now)
    for call in calls:
        within = [other for other in calls if call <= other < call + timedelta(seconds=60)]
        assert len(within) <= limit


@given(gaps, st.integers(1, 12))
def test_a_full_pace_says_when_the_next_call_may_leave(waits, limit):
    pace, now = Pace(), START
    for gap in waits:
        now += timedelta(seconds=gap)
        until = pace.full_until(now, limit)
        if until is None:
            pace = pace.taken(now)
        else:
            assert now < until <= now + timedelta(seconds=61)
            assert pace.full_until(until, limit) is None
            assert pace.full_until(until - timedelta(seconds=1), limit) is not None


def test_it_remembers_a_minute_and_no_more():
    pace = Pace()
    for second in range(1000):
        pace = pace.taken(START + timedelta(seconds=second))
    assert len(pace.calls) == 61


@given(st.integers(0, 2000), st.integers(1, 14))
def test_a_burst_is_spread_over_whole_seconds(place, per_second):
    wait = delay(place, per_second)
    assert wait == timedelta(seconds=place // per_second)
    assert delay(place + per_second, per_second) - wait == timedelta(seconds=1)
