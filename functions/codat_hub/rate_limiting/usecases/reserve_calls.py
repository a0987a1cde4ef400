"""Keep part of the pace from the refreshes for a while: a migration or a reconcile, as it goes on.

All that call Codat come from one address, for which Codat has one limit (docs/codat.md, C11).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.codat.errors import RateLimited
from codat_hub.errors import Unavailable, Unreadable
from codat_hub.rate_limiting.domain.rate_limiter import MIGRATION, RECONCILE
from codat_hub.storage.update import TRIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.rate_limiting import ports

_COUNTS_FOR: Final = timedelta(minutes=2)  # a call counts for one, by whichever clock
# A reconcile that has to wait comes back after five and a half minutes, by its queue's visibility;
# then the refreshes have made room.
_RESERVED_FOR: Final = timedelta(minutes=8)


@dataclass(frozen=True, slots=True)
class ReserveCalls:
    """For a migration."""

    limiters: ports.RateLimiters

    def __call__(self, calls: int, until: datetime) -> None:
        """Take `calls` in any 60 seconds off the refreshes' ceiling. Raises Unavailable.

        Repeat it before `until` to keep them; what nobody repeats ends by itself.
        """
        for _ in range(TRIES):
            try:
                limiter, version = self.limiters.get()
            except Unreadable:
                return  # nobody else calls: the dispatcher shuts such a limiter within a minute
            reserved = limiter.reserving(MIGRATION, calls, until)
            if reserved == limiter or self.limiters.put(reserved, version):
                return
        raise Unavailable("others kept changing the limiter")


@dataclass(frozen=True, slots=True)
class ReserveForReconcile:
    """Call it before each call of a reconcile. The refreshes make room for it, a migration not."""

    limiters: ports.RateLimiters
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self) -> int:
        """Return how many calls a second are its own. Raises RateLimited, Unavailable."""
        for _ in range(TRIES):
            now = self.now()
            limiter, version = self.limiters.get()
            a_second = limiter.reconcile_per_second(now)
            mine = limiter.reservations.get(RECONCILE)
            if mine is None or mine.calls != 60 * a_second or mine.until < now + _COUNTS_FOR:
                limiter = limiter.reserving(RECONCILE, 60 * a_second, now + _RESERVED_FOR)
                if not self.limiters.put(limiter, version):
                    continue
            # what refreshes have called before they made room counts for a minute
            if (until := limiter.pace.full_until(now, limiter.ceiling(now) + 1)) is not None:
                raise RateLimited("refreshes have just used up the pace", retry_at=until)
            return a_second
        raise Unavailable("others kept changing the limiter")
