"""The one limiter that every refresh passes before it calls Codat: breaker, reserve, pace."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.codat.domain.quota import LONGEST, next_reset
from codat_hub.rate_limiting.domain.breaker import PROBE_EVERY, Breaker, Cause
from codat_hub.rate_limiting.domain.pace import (
    PER_SECOND,
    RECONCILE_LEAST,
    RECONCILE_PER_SECOND,
    REFRESH_LIMIT,
    WINDOW_SECONDS,
    Pace,
)
from codat_hub.rate_limiting.domain.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.codat.domain.quota import Quota
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice

MIGRATION: Final = "migration"
RECONCILE: Final = "reconcile"
RESERVED: Final = 0.2  # of the daily quota: kept for people
_LEAST: Final = 60  # calls in 60 seconds that no reservation takes from the refreshes
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
    """Until `until`, `calls` in any 60 seconds belong to the holder and not to the refreshes.

    counts_from: before it, the calls that others made earlier leave no room; None: there is room
    """

    calls: int
    until: datetime
    counts_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """All that decides whether a call may leave. `reservations`: by MIGRATION and RECONCILE."""

    breaker: Breaker = field(default_factory=Breaker)
    pace: Pace = field(default_factory=Pace)
    quota: KnownQuota | None = None
    reservations: Mapping[str, Reservation] = field(default_factory=dict)

    def wait(
        self, now: datetime, notice: RateLimitNotice | None, *, by_person: bool
    ) -> Wait | None:
        """Return why and until when a refresh has to wait; None: it may call now."""
        if (until := self.breaker.blocked_until(now, notice)) is not None:
            return Wait(self.breaker.waits_for(), until)
        if not by_person and (until := self.reserve_until(now)) is not None:
            return Wait(Waits.RESERVE, until)
        if (until := self.pace.full_until(now, self.ceiling(now))) is not None:
            return Wait(Waits.PACE, until)
        return None

    def blocked_by(self, now: datetime, notice: RateLimitNotice | None) -> Waits | None:
        """Return what keeps the refreshes of all companies back now, if anything does."""
        blocked = self.breaker.blocked_until(now, notice) is not None
        return self.breaker.waits_for() if blocked or self.breaker.probing(now, notice) else None

    def ceiling(self, now: datetime) -> int:
        """Return how many calls refreshes may make in any 60 seconds."""
        reserved = sum(
            reservation.calls
            for reservation in self.reservations.values()
            if now < reservation.until
        )
        return max(REFRESH_LIMIT - reserved, _LEAST)

    def reserving(self, holder: str, calls: int, until: datetime) -> RateLimiter:
        """Return the limiter that keeps `calls` in any 60 seconds from the refreshes until then."""
        reservation = Reservation(calls, until)
        return replace(self, reservations={**self.reservations, holder: reservation})

    def migrating(self, calls: int, until: datetime, now: datetime) -> RateLimiter:
        """Return the limiter that reserves `calls` in any 60 seconds for a migration.

        The reservation counts a minute later if the refreshes or a reconcile of the last minute
        leave too little room.
        """
        known = self.reservations.get(MIGRATION)
        after = self.reserving(MIGRATION, calls, until)
        if known is not None and now < known.until and calls <= known.calls:
            counts_from = known.counts_from
        else:
            reconcile = after.reservations.get(RECONCILE)
            fast = 60 * after.reconcile_per_second(now)
            slow_enough = reconcile is None or now >= reconcile.until or reconcile.calls <= fast
            room = slow_enough and after.pace.full_until(now, after.ceiling(now) + 1) is None
            counts_from = None if room else now + timedelta(seconds=WINDOW_SECONDS)
        reservation = Reservation(calls, until, counts_from)
        return replace(self, reservations={**self.reservations, MIGRATION: reservation})

    def reconcile_per_second(self, now: datetime) -> int:
        """Return how many calls a second a reconcile may make beside a running migration."""
        migration = self.reservations.get(MIGRATION)
        taken = 0 if migration is None or now >= migration.until else migration.calls
        room = REFRESH_LIMIT - taken - _LEAST
        return RECONCILE_PER_SECOND if room >= 60 * RECONCILE_PER_SECOND else RECONCILE_LEAST

    def per_second(self, now: datetime) -> int:
        """Return how many refreshes the dispatcher sends a second."""
        return min(self.ceiling(now) // 60, PER_SECOND)

    def reserve_until(self, now: datetime) -> datetime | None:
        """Return until when the rest of the quota is kept for people; None: there is enough."""
        return self.quota.resets_at if self.quota and self.scheduled_left(now) == 0 else None

    def scheduled_left(self, now: datetime) -> int | None:
        """Return how many calls today's quota still has for schedules; None: not known."""
        if self.quota is None or now >= self.quota.resets_at:
            return None
        return self.quota.left_for_schedules()

    def passed(self, now: datetime, notice: RateLimitNotice | None) -> RateLimiter:
        """Return the limiter after one call left at `now`."""
        return replace(self, breaker=self.breaker.leaving(now, notice), pace=self.pace.taken(now))

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

    By the time of the probe, the calls that the lost limiter had counted are out of the window.
    """
    return RateLimiter(Breaker(Cause.RATE_LIMITED, now, now + PROBE_EVERY))


def _near(known: KnownQuota, answered: KnownQuota) -> bool:
    recent = answered.noted_at - known.noted_at < _NOTED_EVERY
    same_day = (known.limit, known.resets_at) == (answered.limit, answered.resets_at)
    moved = abs(known.remaining - answered.remaining)
    crossed = (known.left_for_schedules() == 0) != (answered.left_for_schedules() == 0)
    return recent and same_day and not crossed and moved < known.limit * _NOTED_PART
