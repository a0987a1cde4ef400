"""How fast the hub calls Codat, which allows one address 1000 requests a minute.

Refreshes, reconcile and migration make at most 870 calls in any 60 seconds, and 30 are left for
people's commands: 900 in all (docs/codat.md, C11). At least 60 refreshes and a slow reconcile go on
beside a migration, so it makes 12 calls a second at most.

`Pace` counts the calls of refreshes only. Reservations (rate_limiter.py) lower their limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

LIMIT: Final = 900  # in any 60 seconds
REFRESH_LIMIT: Final = 870  # leaves 30 for people's commands
PER_SECOND: Final = 14  # refreshes that the dispatcher sends
MIGRATION_PER_SECOND: Final = 12
RECONCILE_PER_SECOND: Final = 5
RECONCILE_LEAST: Final = 1  # a second, beside a migration that leaves no more
WINDOW_SECONDS: Final = 61  # any 60 seconds touch at most 61 seconds of the clock


@dataclass(frozen=True, slots=True)
class Pace:
    """The calls of the last minute: (second since 1970, calls permitted in it), oldest first."""

    calls: tuple[tuple[int, int], ...] = ()

    def full_until(self, now: datetime, limit: int) -> datetime | None:
        """Return when one more call is within the limit for any 60 seconds; None: now."""
        window = self._window(now)
        over = sum(count for _, count in window) - limit + 1
        if over <= 0:
            return None
        leaving = 0  # calls that have left the window by then
        for second, count in window:
            leaving += count
            if leaving >= over:
                return datetime.fromtimestamp(second + WINDOW_SECONDS, UTC)
        return now + timedelta(seconds=WINDOW_SECONDS)

    def taken(self, now: datetime) -> Pace:
        """Return the pace with one more call, which leaves at `now`."""
        second = int(now.timestamp())
        window = dict(self._window(now))
        window[second] = window.get(second, 0) + 1
        return Pace(tuple(sorted(window.items())))

    def _window(self, now: datetime) -> tuple[tuple[int, int], ...]:
        first = int(now.timestamp()) - WINDOW_SECONDS + 1
        return tuple((second, count) for second, count in self.calls if second >= first)


def delay(place: int, per_second: int = PER_SECOND) -> timedelta:
    """Return the delay, in whole seconds, of message number `place` (from 0) of a burst."""
    return timedelta(seconds=place // per_second)
