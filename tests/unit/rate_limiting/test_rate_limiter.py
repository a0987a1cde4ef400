"""The one gate: what it believes of the quota that answers tell of."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat.domain.quota import Quota
from codat_hub.rate_limiting.domain.rate_limiter import Gate

NOW = datetime(2026, 7, 1, 22, tzinfo=UTC)
MIDNIGHT = datetime(2026, 7, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "said", [None, MIDNIGHT, NOW + timedelta(days=400), datetime.max.replace(tzinfo=UTC)]
)
def test_the_reserve_is_kept_until_midnight_at_the_latest(said):
    gate = Gate().noting(Quota(1000, 100, said), NOW)
    assert gate.reserve_until(NOW) == MIDNIGHT
    assert gate.reserve_until(MIDNIGHT) is None


def test_a_reset_that_is_over_keeps_nothing():
    gate = Gate().noting(Quota(1000, 100, NOW - timedelta(seconds=1)), NOW)
    assert gate.reserve_until(NOW) is None
