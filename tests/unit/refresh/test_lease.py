"""One refresh of a company at a time, and no end of a read that a worker could miss."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.refresh.domain.lease import HELD_FOR, Lease, after_read, released, taken, untaken
from codat_hub.refresh.domain.ticket import SKEW

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
products = st.sampled_from(["a", "b", None])


@given(products, products)
def test_a_held_lease_is_kept_from_every_other_product_for_half_an_hour(holder, other):
    lease = taken(Lease(), holder, NOW)
    end = NOW + HELD_FOR
    assert lease.kept_from(other, NOW) == (None if other == holder else end)
    assert lease.kept_from(other, end - SECOND) == (None if other == holder else end)
    assert lease.kept_from(other, end) is None


def test_a_lease_without_a_holder_is_free():
    assert Lease().kept_from("a", NOW) is None
    assert not released(taken(Lease(), "a", NOW)).held(NOW)


def test_without_a_call_a_lease_that_was_held_stays_with_the_call_under_way():
    first = taken(Lease(), "a", NOW)
    assert untaken(first, NOW + SECOND) == first
    assert not untaken(first, NOW + HELD_FOR).held(NOW)
    assert not untaken(Lease(), NOW).held(NOW)


@pytest.mark.parametrize(
    ("product", "at", "holder"),
    [
        ("a", NOW, None),
        ("a", NOW - SKEW, None),  # two clocks
        ("a", NOW - SKEW - SECOND, "a"),  # a read from before the lease
        ("b", NOW, "a"),
        (None, NOW, "a"),
    ],
)
def test_a_read_ends_the_lease_of_its_own_refresh_only(product, at, holder):
    assert after_read(taken(Lease(), "a", NOW), product, at).holder == holder


@given(products, products, st.integers(-120, 120))
def test_every_read_changes_a_lease_that_is_held(holder, product, seconds):
    lease = taken(Lease(), holder, NOW)
    read = after_read(lease, product, NOW + seconds * SECOND)
    assert read != lease
    assert read.reads == 1


@given(products)
def test_a_read_leaves_a_free_lease_alone(product):
    assert after_read(Lease(reads=3), product, NOW) == Lease(reads=3)
