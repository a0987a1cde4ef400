"""Keys and texts of items: companies spread over the shards, times sort as text."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.storage.items import (
    SHARDS,
    ItemKey,
    company_key,
    moment_or_none,
    shard_of,
    spell,
    spell_or_none,
)

OFFSETS = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31), timezones=OFFSETS)  # noqa: DTZ001


@given(MOMENTS, MOMENTS)
def test_texts_of_times_sort_as_the_times_do_whatever_their_offsets(first, second):
    assert (spell(first) < spell(second)) == (first < second)


@given(MOMENTS)
def test_a_time_is_read_back_as_the_same_moment(moment):
    assert moment_or_none(spell_or_none(moment)) == moment


def test_a_full_second_has_its_microseconds_written_too():
    assert spell(datetime(2026, 7, 1, 9, tzinfo=UTC)) == "2026-07-01T09:00:00.000000+00:00"


def test_no_time_is_no_text():
    assert spell_or_none(None) is None
    assert moment_or_none(None) is None


@pytest.mark.parametrize(("company_id", "shard"), [("", 0), ("company-1", 3), ("c2", 3), ("c3", 5)])
def test_a_company_keeps_the_shard_that_its_stored_items_are_listed_in(company_id, shard):
    assert shard_of(company_id) == shard


def test_companies_spread_evenly_over_all_shards():
    counts = Counter(shard_of(f"company-{number}") for number in range(8000))
    assert set(counts) == set(range(SHARDS))
    assert min(counts.values()) > 800


def test_items_of_one_company_share_a_partition():
    assert company_key("c1", "READS") == ItemKey("COMPANY#c1", "READS")
