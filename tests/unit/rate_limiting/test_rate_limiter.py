"""The one limiter: what it believes of the quota that answers tell of."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat.domain.quota import Quota
from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter

NOW = datetime(2026, 7, 1, 22, tzinfo=UTC)
MIDNIGHT = datetime(2026, 7, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "said", [None, MIDNIGHT, NOW + timedelta(days=400), datetime.max.replace(tzinfo=UTC)]
)
def test_the_reserve_is_kept_until_midnight_at_the_latest(said):
    limiter = RateLimiter().noting(Quota(1000, 100, said), NOW)
    assert limiter.reserve_until(NOW) == MIDNIGHT
    assert limiter.reserve_until(MIDNIGHT) is None


def test_a_reset_that_is_over_is_not_believed_and_the_reserve_is_kept():
    for said in (NOW, NOW - timedelta(seconds=1), datetime.min.replace(tzinfo=UTC)):
        limiter = RateLimiter().noting(Quota(1000, 100, said), NOW)
        assert limiter.reserve_until(NOW) == MIDNIGHT
