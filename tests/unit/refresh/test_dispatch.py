"""How many messages fit in the coming minute, after those that are spread already."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from codat_hub.refresh.domain.dispatch import HORIZON, DispatchMemory

NOW = datetime(2026, 7, 1, tzinfo=UTC)
rates = st.integers(1, 14)


@given(rates)
def test_a_first_run_may_fill_the_minute(per_second):
    assert DispatchMemory().capacity(NOW, per_second) == 60 * per_second


@given(rates, st.integers(0, 120))
def test_what_is_spread_already_is_not_sent_on_top(per_second, seconds):
    memory = DispatchMemory(NOW + timedelta(seconds=seconds))
    assert memory.capacity(NOW, per_second) == max(60 - seconds, 0) * per_second


@given(rates, st.integers(0, 14 * 60))
def test_a_run_that_uses_its_capacity_leaves_none(per_second, count):
    memory = DispatchMemory()
    count = min(count, memory.capacity(NOW, per_second))
    after = DispatchMemory(memory.busy_after(NOW, count, per_second))
    assert NOW <= after.busy_until <= NOW + HORIZON
    left = 60 * per_second - count
    assert left - 1 <= after.capacity(NOW, per_second) <= left


def test_after_a_pause_the_spread_begins_now():
    memory = DispatchMemory(NOW - timedelta(minutes=5))
    assert memory.starts_at(NOW) == NOW
    assert memory.busy_after(NOW, 28, 14) == NOW + timedelta(seconds=2)


def test_at_first_nothing_is_remembered():
    assert DispatchMemory() == DispatchMemory(None, (), 0, None)
