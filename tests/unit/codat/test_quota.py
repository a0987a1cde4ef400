"""The quota resets at midnight in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from codat_hub.codat.domain.quota import next_reset


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 12, 31, 0, 0, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 1, 1, 5, 0, tzinfo=timezone(timedelta(hours=14))),
    ],
)
def test_the_quota_resets_at_the_next_midnight_in_utc(now):
    assert next_reset(now) == datetime(2027, 1, 1, tzinfo=UTC)
