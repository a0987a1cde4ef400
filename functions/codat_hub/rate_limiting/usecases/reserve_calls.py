"""Keep part of the pace from the refreshes for a while, for a migration or a reconcile.

All callers of Codat come from one address, for which Codat has one limit (docs/codat.md, C11).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from codat_hub.codat.errors import RateLimited
from codat_hub.errors import Unreadable
from codat_hub.rate_limiting.domain.rate_limiter import MIGRATION, RECONCILE
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.rate_limiting import ports
    from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter

_COUNTS_FOR: Final = timedelta(minutes=2)  # how long a call counts, by whichever clock
# A reconcile that has to wait comes back after five and a half minutes, by its queue's visibility.
# The refreshes have made room by then.
_RESERVED_FOR: Final = timedelta(minutes=8)


@dataclass(frozen=True, slots=True)
class ReserveCalls:
    """Reserve calls for a migration."""

    limiters: ports.RateLimiters
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self, calls: int, until: datetime) -> None:
        """Take `calls` in any 60 seconds off the refreshes' limit.

        Repeat it before `until` to keep them. A reservation that is not repeated ends by itself.
        Raises RateLimited while the calls of the last minute leave no room, Unavailable.
        """
        now = self.now()

        def reserved(limiter: RateLimiter) -> RateLimiter | None:
            after = limiter.migrating(calls, until, now)
            return None if after == limiter else after

        # With an unreadable limiter no refresh calls: the dispatcher replaces it within a minute.
        with suppress(Unreadable):
            written = update(self.limiters.get, reserved, self.limiters.put, "the rate limiter")
            reservation = (written.after or written.before).reservations[MIGRATION]
            counts_from = reservation.counts_from
            if counts_from is not None and now < counts_from:
                raise RateLimited(
                    "calls of the last minute leave no room",
                    retry_after=counts_from - now,
                    retry_at=counts_from,
                )


@dataclass(frozen=True, slots=True)
class ReserveForReconcile:
    """Reserve calls for a reconcile, before each of its calls.

    Refreshes make room for a reconcile; a reconcile makes room for a migration.
    """

    limiters: ports.RateLimiters
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self) -> int:
        """Return how many calls a second the reconcile may make.

        Raises RateLimited when the last refreshes leave no room, Unavailable, Unreadable.
        """
        now = self.now()
        reserved = update(
            self.limiters.get, partial(_with_reconcile, now), self.limiters.put, "the rate limiter"
        )
        limiter = reserved.after or reserved.before
        if (until := limiter.pace.full_until(now, limiter.ceiling(now) + 1)) is not None:
            raise RateLimited("refreshes have just used up the pace", retry_at=until)
        return limiter.reconcile_per_second(now)


def _with_reconcile(now: datetime, limiter: RateLimiter) -> RateLimiter | None:
    """Return the limiter with a reconcile's reservation; None: it has one that lasts."""
    calls = 60 * limiter.reconcile_per_second(now)
    known = limiter.reservations.get(RECONCILE)
    if known is not None and known.calls == calls and known.until >= now + _COUNTS_FOR:
        return None
    return limiter.reserving(RECONCILE, calls, now + _RESERVED_FOR)
