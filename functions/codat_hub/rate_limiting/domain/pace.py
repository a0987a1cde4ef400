"""How fast the hub calls Codat, which allows one address 1000 requests a minute.

All callers together make at most 900 calls in any 60 seconds (docs/codat.md, C11). Each call counts
for 62 seconds: any 60 seconds touch 61 seconds of the clock, and two clocks may differ by one.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

LIMIT: Final = 900  # of all callers
WINDOW_SECONDS: Final = 62
PER_SECOND: Final = 14  # refreshes that the dispatcher sends
MIGRATION_PER_SECOND: Final = 12  # of all migrations and dry runs
RECONCILE_PER_SECOND: Final = 5
RECONCILE_LEAST: Final = 1  # a second, beside a migration that leaves no more


@dataclass(frozen=True, slots=True)
class Pace:
    """The calls of the last minute: (second since 1970, calls permitted in it), oldest first.

    A call that waits for its turn counts in the second in which it will leave.
    """

    calls: tuple[tuple[int, int], ...] = ()

    def within(self, now: datetime) -> int:
        """Return how many calls count at `now`, those that leave later included."""
        return sum(calls for _, calls in self._since(now, WINDOW_SECONDS))

    def free_at(self, now: datetime, per_second: int) -> datetime:
        """Return the first moment from `now` on whose second has fewer than `per_second` calls."""
        known = dict(self.calls)
        this = int(now.timestamp())
        second = next(
            second for second in itertools.count(this) if known.get(second, 0) < per_second
        )
        return now if second == this else datetime.fromtimestamp(second, UTC)

    def taken(self, at: datetime, now: datetime) -> Pace:
        """Return the pace with one more call, which leaves at `at`."""
        second = int(at.timestamp())
        # A second more than counts: another process's clock may be behind.
        known = dict(self._since(now, WINDOW_SECONDS + 1))
        known[second] = known.get(second, 0) + 1
        return Pace(tuple(sorted(known.items())))

    def _since(self, now: datetime, seconds: int) -> tuple[tuple[int, int], ...]:
        first = int(now.timestamp()) - seconds + 1
        return self.calls[bisect_left(self.calls, (first, 0)) :]


def delay(place: int, per_second: int = PER_SECOND) -> timedelta:
    """Return the delay, in whole seconds, of message number `place` (from 0) of a burst."""
    return timedelta(seconds=place // per_second)
