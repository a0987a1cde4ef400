"""The one limiter of all calls of Codat.

It counts every call before it leaves. Refreshes also pass the breaker and the reserve.

All callers share one budget. Some calls are always kept for refreshes and for people's commands,
and for a migration and a reconcile while they run. Beyond its part a caller takes what is left.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.codat.domain.quota import LONGEST, next_reset
from codat_hub.rate_limiting.domain.breaker import PROBE_EVERY, Breaker, Cause
from codat_hub.rate_limiting.domain.pace import (
    LIMIT,
    MIGRATION_PER_SECOND,
    PER_SECOND,
    RECONCILE_LEAST,
    RECONCILE_PER_SECOND,
    WINDOW_SECONDS,
    Pace,
)
from codat_hub.rate_limiting.domain.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.codat.domain.quota import Quota
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice

REFRESHES: Final = "refreshes"
MIGRATION: Final = "migration"  # with dry runs
RECONCILE: Final = "reconcile"
COMMANDS: Final = "commands"  # of people, and checks of the client
CALLERS: Final = (REFRESHES, MIGRATION, RECONCILE, COMMANDS)
RESERVED: Final = 0.2  # of the daily quota: kept for people
# Calls in any 60 seconds that no other caller takes.
_ALWAYS_KEPT: Final[Mapping[str, int]] = MappingProxyType({REFRESHES: WINDOW_SECONDS, COMMANDS: 30})
_NOTED_EVERY: Final = timedelta(minutes=1)
_NOTED_PART: Final = 0.01  # of the daily quota: a change worth a write within the minute


class Wait(NamedTuple):
    """A refresh may not call now: what it waits for, and until when.

    lease_returned: it held its company's lease for a moment
    """

    waits_for: Waits
    until: datetime
    lease_returned: bool = False


@dataclass(frozen=True, slots=True)
class KnownQuota:
    """The daily quota that an answer's headers reported at `noted_at`; void from `resets_at` on."""

    limit: int
    remaining: int
    resets_at: datetime
    noted_at: datetime

    def left_for_schedules(self) -> int:
        """Return how many calls scheduled refreshes may still make before the reserve begins."""
        return max(self.remaining - int(self.limit * RESERVED), 0)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Until `until`, `calls` in any 60 seconds are kept for the holder."""

    calls: int
    until: datetime


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """All that decides whether a call may leave.

    pace: the calls of refreshes
    reservations: by MIGRATION and RECONCILE
    others: the calls of the other callers, by caller
    """

    breaker: Breaker = field(default_factory=Breaker)
    pace: Pace = field(default_factory=Pace)
    quota: KnownQuota | None = None
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    others: Mapping[str, Pace] = field(default_factory=dict)

    def wait(
        self, now: datetime, notice: RateLimitNotice | None, *, by_person: bool
    ) -> Wait | None:
        """Return why and until when a refresh has to wait; None: it may call now."""
        if (until := self.breaker.blocked_until(now, notice)) is not None:
            return Wait(self.breaker.waits_for(), until)
        if not by_person and (until := self.reserve_until(now)) is not None:
            return Wait(Waits.RESERVE, until)
        if (until := self.full_until(REFRESHES, now)) is not None:
            return Wait(Waits.PACE, until)
        return None

    def blocked_by(self, now: datetime, notice: RateLimitNotice | None) -> Waits | None:
        """Return what keeps the refreshes of all companies back now, if anything does."""
        blocked = self.breaker.blocked_until(now, notice) is not None
        return self.breaker.waits_for() if blocked or self.breaker.probing(now, notice) else None

    def ceiling(self, caller: str, now: datetime) -> int:
        """Return how many calls a caller may make in any 60 seconds beside the others."""
        others = (other for other in CALLERS if other != caller)
        return LIMIT - sum(max(self._kept(other, now), self._made(other, now)) for other in others)

    def full_until(self, caller: str, now: datetime) -> datetime | None:
        """Return when one more call of a caller is within the budget; None: now."""
        if self._has_room(caller, now):
            return None
        second = datetime.fromtimestamp(int(now.timestamp()), UTC)
        moments = [second + timedelta(seconds=wait) for wait in range(1, WINDOW_SECONDS + 1)]
        place = bisect_left(moments, x=True, key=lambda at: self._has_room(caller, at))
        return moments[min(place, WINDOW_SECONDS - 1)]

    def free_at(self, caller: str, per_second: int, now: datetime) -> datetime:
        """Return when the next call of a caller may leave, with so many calls a second at most."""
        return self._pace(caller).free_at(self.full_until(caller, now) or now, per_second)

    def taken(self, caller: str, at: datetime, now: datetime) -> RateLimiter:
        """Return the limiter after a caller took a place for a call that leaves at `at`."""
        pace = self._pace(caller).taken(at, now)
        if caller == REFRESHES:
            return replace(self, pace=pace)
        return replace(self, others={**self.others, caller: pace})

    def reserving(self, holder: str, calls: int, until: datetime) -> RateLimiter:
        """Return the limiter that keeps `calls` in any 60 seconds for the holder until then."""
        reservation = Reservation(calls, until)
        return replace(self, reservations={**self.reservations, holder: reservation})

    def reconcile_per_second(self, now: datetime) -> int:
        """Return how many calls a second a reconcile may make beside a running migration."""
        room = LIMIT - self._kept(MIGRATION, now) - sum(_ALWAYS_KEPT.values())
        fast = room >= RECONCILE_PER_SECOND * WINDOW_SECONDS
        return RECONCILE_PER_SECOND if fast else RECONCILE_LEAST

    def _has_room(self, caller: str, at: datetime) -> bool:
        made = self._made(caller, at)
        if sum(self._made(other, at) for other in CALLERS) >= LIMIT:
            return False
        return made < _ALWAYS_KEPT.get(caller, 0) or made < self.ceiling(caller, at)

    def _pace(self, caller: str) -> Pace:
        return self.pace if caller == REFRESHES else self.others.get(caller, Pace())

    def _made(self, caller: str, now: datetime) -> int:
        return self._pace(caller).within(now)

    def _kept(self, caller: str, now: datetime) -> int:
        """Return how many calls in any 60 seconds are kept for a caller: of all, 900 at most."""
        reservation = self.reservations.get(caller)
        if reservation is None or now >= reservation.until:
            return _ALWAYS_KEPT.get(caller, 0)
        fastest = self.reconcile_per_second(now) if caller == RECONCILE else MIGRATION_PER_SECOND
        return min(reservation.calls, fastest * WINDOW_SECONDS)

    def per_second(self, now: datetime) -> int:
        """Return how many refreshes the dispatcher sends a second."""
        return max(min(self.ceiling(REFRESHES, now) // WINDOW_SECONDS, PER_SECOND), 1)

    def reserve_until(self, now: datetime) -> datetime | None:
        """Return until when the rest of the quota is kept for people; None: there is enough."""
        return self.quota.resets_at if self.quota and self.scheduled_left(now) == 0 else None

    def scheduled_left(self, now: datetime) -> int | None:
        """Return how many calls today's quota still has for schedules; None: not known."""
        if self.quota is None or now >= self.quota.resets_at:
            return None
        return self.quota.left_for_schedules()

    def passed(self, now: datetime, notice: RateLimitNotice | None) -> RateLimiter:
        """Return the limiter after a refresh called at `now`."""
        after = self.taken(REFRESHES, now, now)
        return replace(after, breaker=self.breaker.leaving(now, notice))

    def noting(self, quota: Quota | None, now: datetime) -> RateLimiter:
        """Return the limiter with an answer's quota, or as it is if the known quota is near it."""
        if quota is None or quota.limit is None or quota.remaining is None:
            return self
        reported = quota.resets_at
        # A date that is over would end the reserve. An absurd one would keep it, so that no call
        # would learn of another date.
        believable = reported is not None and now < reported <= now + LONGEST
        resets_at = reported if reported is not None and believable else next_reset(now)
        answered = KnownQuota(quota.limit, quota.remaining, resets_at, now)
        if self.quota is not None and _near(self.quota, answered):
            return self
        return replace(self, quota=answered)


def probing_limiter(now: datetime) -> RateLimiter:
    """Return a limiter to replace one that cannot be read: a probe finds out how things stand.

    Nobody calls until the calls that the lost limiter had counted are out of the window.
    """
    breaker = Breaker(Cause.RATE_LIMITED, now, now + PROBE_EVERY)
    return RateLimiter(breaker, Pace(((int(now.timestamp()), LIMIT),)))


def _near(known: KnownQuota, answered: KnownQuota) -> bool:
    recent = answered.noted_at - known.noted_at < _NOTED_EVERY
    same_day = (known.limit, known.resets_at) == (answered.limit, answered.resets_at)
    moved = abs(known.remaining - answered.remaining)
    crossed = (known.left_for_schedules() == 0) != (answered.left_for_schedules() == 0)
    return recent and same_day and not crossed and moved < known.limit * _NOTED_PART
