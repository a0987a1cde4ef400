"""How fast the hub calls Codat: never over 900 calls in any 60 seconds, whoever makes them.

Codat's own limits are 1000 requests a minute and a daily quota (docs/codat.md, C10, C11).
The dispatcher spreads what is due over the coming minute; this counter is what guarantees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

LIMIT: Final = 900  # in any 60 seconds
# The difference is for people's calls. A migration and a reconcile reserve theirs: rate_limiter.py.
REFRESH_LIMIT: Final = 870
PER_SECOND: Final = 14  # sent by the dispatcher
RECONCILE_PER_SECOND: Final = 5  # calls of a reconcile, which can wait
RECONCILE_LEAST: Final = 1  # a second, beside a migration that takes most of the pace
_WINDOW: Final = 61  # any 60 seconds touch at most 61 seconds of the clock


@dataclass(frozen=True, slots=True)
class Pace:
    """`calls`: (second of the epoch, calls permitted in it), oldest first, the last minute's."""

    calls: tuple[tuple[int, int], ...] = ()

    def recent(self, now: datetime) -> int:
        return sum(count for _, count in self._window(now))

    def full_until(self, now: datetime, limit: int = LIMIT) -> datetime | None:
        """When one more call is within the limit; None: now."""
        window = self._window(now)
        over = sum(count for _, count in window) - limit + 1
        if over <= 0:
            return None
        gone = 0  # calls that have to fall out of the window first
        for second, count in window:
            gone += count
            if gone >= over:
                return datetime.fromtimestamp(second + _WINDOW, UTC)
        return now + timedelta(seconds=_WINDOW)

    def taken(self, now: datetime) -> Pace:
        """One call is about to leave."""
        second = int(now.timestamp())
        window = dict(self._window(now))
        window[second] = window.get(second, 0) + 1
        return Pace(tuple(sorted(window.items())))

    def _window(self, now: datetime) -> tuple[tuple[int, int], ...]:
        first = int(now.timestamp()) - _WINDOW + 1
        return tuple(one for one in self.calls if one[0] >= first)


def delay(place: int, per_second: int = PER_SECOND) -> timedelta:
    """The whole seconds that message number `place` of a burst waits."""
    return timedelta(seconds=place // per_second)
