"""Admit calls of Codat one by one, within the one budget of all callers.

All callers of Codat come from one address, for which Codat has one limit (docs/codat.md, C11).
Refreshes take their places in `refresh/usecases/take_turn.py`, where they pass the breaker too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import random
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.codat.errors import RateLimited
from codat_hub.errors import Unreadable
from codat_hub.rate_limiting.domain.pace import LIMIT, WINDOW_SECONDS
from codat_hub.rate_limiting.domain.rate_limiter import (
    COMMANDS,
    MIGRATION,
    RECONCILE,
    RateLimiter,
    probing_limiter,
)
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.rate_limiting import ports

# With the time that a call may take it must stay below the wait of a migration's rollback.
_LONGEST: Final = timedelta(seconds=4)
_AFTER_A_LOST_RACE: Final = 0.02  # seconds
_MIGRATION_KEEPS: Final = timedelta(minutes=2)
# A reconcile that has to wait comes back after five and a half minutes, by its queue's visibility.
# The refreshes have made room by then.
_RECONCILE_KEEPS: Final = timedelta(minutes=8)


class _Place(NamedTuple):
    """When a call may leave, asked at `now`. `after`: the limiter to write, None: as it is."""

    at: datetime
    now: datetime
    after: RateLimiter | None


@dataclass(frozen=True, slots=True)
class AdmitCalls:
    """Call it right before each call of Codat. It waits until the call may leave.

    caller: the caller whose part of the budget the call takes
    per_second: returns how many calls a second all processes of the caller may make together
    keeps: how long the caller's part stays reserved after a call; None: nothing is reserved
    """

    limiters: ports.RateLimiters
    caller: str
    per_second: Callable[[RateLimiter, datetime], int] = lambda _limiter, _now: LIMIT
    keeps: timedelta | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random

    def __call__(self) -> None:
        """Raise RateLimited, without a status, if the wait is long: the call must not leave then.

        Raises Unavailable.
        """
        try:
            place = update(
                self._ask,
                lambda place: place.after,
                self.limiters.put,
                "the rate limiter",
                pause=lambda lost: self.sleep(self.chance() * lost * _AFTER_A_LOST_RACE),
            ).before
        except Unreadable:
            place = self._anew()
        wait = place.at - place.now
        if wait > _LONGEST:
            text = "the hub's calls of the last minute leave no room for this call"
            raise RateLimited(text, retry_after=wait, retry_at=place.at)
        if wait:
            self.sleep(wait.total_seconds())

    def _ask(self) -> tuple[_Place, int]:
        known, version = self.limiters.get()
        now = self.now()
        per_second = self.per_second(known, now)
        after = known
        if self.keeps is not None:
            calls = per_second * WINDOW_SECONDS
            after = after.reserving(self.caller, calls, now + self.keeps)
        at = after.free_at(self.caller, per_second, now)
        if at - now <= _LONGEST:
            after = after.taken(self.caller, at, now)
        return _Place(at, now, None if after == known else after), version

    def _anew(self) -> _Place:
        """Replace a limiter that cannot be read. Its count is lost, so nobody calls for a while."""
        now = self.now()
        self.limiters.replace(probing_limiter(now))
        return _Place(now + timedelta(seconds=WINDOW_SECONDS), now, None)


def for_commands(limiters: ports.RateLimiters) -> AdmitCalls:
    """Return the admission of people's commands, and of checks of the client."""
    return AdmitCalls(limiters, COMMANDS)


def for_migrations(limiters: ports.RateLimiters, per_second: int) -> AdmitCalls:
    """Return the admission of all migrations and dry runs, which share one part."""
    return AdmitCalls(limiters, MIGRATION, lambda _limiter, _now: per_second, _MIGRATION_KEEPS)


def for_reconciles(limiters: ports.RateLimiters) -> AdmitCalls:
    """Return the admission of reconciles: refreshes make room for them, they for migrations."""
    return AdmitCalls(limiters, RECONCILE, RateLimiter.reconcile_per_second, _RECONCILE_KEEPS)
