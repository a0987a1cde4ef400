"""A refresh waits longer after each failure, and never longer than an hour."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from codat_hub.refresh.domain.backoff import BASE, CAP, longest, wait

steps, chances = st.integers(1, 10_000), st.floats(0, 1)


def test_the_bound_doubles_from_30_seconds_to_an_hour():
    bounds = [longest(step).total_seconds() for step in range(1, 10)]
    assert bounds == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


@given(steps, chances)
def test_a_wait_is_between_nothing_and_the_bound(step, chance):
    assert timedelta(0) <= wait(step, chance) <= longest(step) <= CAP


@given(steps)
def test_the_bound_never_shrinks(step):
    assert BASE <= longest(step) <= longest(step + 1)
