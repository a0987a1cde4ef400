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
_LEAST: Final = 60  # calls in 60 seconds that nobody can take from the refreshes
_NOTED_EVERY: Final = timedelta(minutes=1)
_NOTED_PART: Final = 0.01  # of the daily quota: a change worth a write before the minute is over


class Wait(NamedTuple):
    """Not now: for what, and until when."""

    waits_for: Waits
    until: datetime


@dataclass(frozen=True, slots=True)
class KnownQuota:
    """What the headers of an answer said last; worth nothing once the quota has started anew."""

    limit: int
    remaining: int
    resets_at: datetime
    noted_at: datetime

    def left_for_schedules(self) -> int:
        return max(self.remaining - int(self.limit * RESERVED), 0)


@dataclass(frozen=True, slots=True)
class Reservation:
    """So many calls in any 60 seconds are somebody else's until then."""

    calls: int
    until: datetime


@dataclass(frozen=True, slots=True)
class RateLimiter:
    """`reservations`: by whom, MIGRATION or RECONCILE."""

    breaker: Breaker = field(default_factory=Breaker)
    pace: Pace = field(default_factory=Pace)
    quota: KnownQuota | None = None
    reservations: Mapping[str, Reservation] = field(default_factory=dict)

    def wait(
        self, now: datetime, notice: RateLimitNotice | None, *, by_person: bool
    ) -> Wait | None:
        """Why and until when a refresh has to wait; None: it may call now."""
        if (until := self.breaker.blocked_until(now, notice)) is not None:
            return Wait(self.breaker.waits_for(), until)
        if not by_person and (until := self.reserve_until(now)) is not None:
            return Wait(Waits.RESERVE, until)
        if (until := self.pace.full_until(now, self.ceiling(now))) is not None:
            return Wait(Waits.PACE, until)
        return None

    def blocked_by(self, now: datetime, notice: RateLimitNotice | None) -> Waits | None:
        """What keeps every refresh back now, of whatever company; None: nothing does."""
        barred = self.breaker.blocked_until(now, notice) is not None
        return self.breaker.waits_for() if barred or self.breaker.probing(notice) else None

    def ceiling(self, now: datetime) -> int:
        """How many calls refreshes may make in any 60 seconds."""
        reserved = sum(one.calls for one in self.reservations.values() if now < one.until)
        return max(REFRESH_LIMIT - reserved, _LEAST)

    def reserving(self, who: str, calls: int, until: datetime) -> RateLimiter:
        """Keep so many calls in any 60 seconds from the refreshes, until then."""
        mine = Reservation(calls, until)
        return replace(self, reservations={**self.reservations, who: mine})

    def reconcile_per_second(self, now: datetime) -> int:
        """How many calls a reconcile may make in one, by what a migration leaves."""
        other = self.reservations.get(MIGRATION)
        taken = 0 if other is None or now >= other.until else other.calls
        room = REFRESH_LIMIT - taken - _LEAST
        return RECONCILE_PER_SECOND if room >= 60 * RECONCILE_PER_SECOND else RECONCILE_LEAST

    def per_second(self, now: datetime) -> int:
        """How many refreshes the dispatcher sends in one."""
        return min(self.ceiling(now) // 60, PER_SECOND)

    def reserve_until(self, now: datetime) -> datetime | None:
        """Until when what is left of the quota is kept for people; None: there is enough."""
        return self.quota.resets_at if self.quota and self.scheduled_left(now) == 0 else None

    def scheduled_left(self, now: datetime) -> int | None:
        """How many calls today's quota still has for schedules; None: not known."""
        if self.quota is None or now >= self.quota.resets_at:
            return None
        return self.quota.left_for_schedules()

    def passed(self, now: datetime, notice: RateLimitNotice | None) -> RateLimiter:
        """One call leaves now."""
        return replace(self, breaker=self.breaker.leaving(now, notice), pace=self.pace.taken(now))

    def noting(self, quota: Quota | None, now: datetime) -> RateLimiter:
        """Remember an answer's quota, unless what is known is near enough."""
        if quota is None or quota.limit is None or quota.remaining is None:
            return self
        said = quota.resets_at
        # an absurd date would keep the reserve, and nobody would call who could hear another
        believable = said is not None and now < said <= now + LONGEST
        resets_at = said if said is not None and believable else next_reset(now)
        heard = KnownQuota(quota.limit, quota.remaining, resets_at, now)
        return (
            self
            if self.quota is not None and _near(self.quota, heard)
            else replace(self, quota=heard)
        )


def probing_limiter(now: datetime) -> RateLimiter:
    """Take the place of a limiter that cannot be read: one probe finds out how things stand.

    By then the calls that it had counted are out of the window.
    """
    return RateLimiter(Breaker(Cause.RATE_LIMITED, now, now + PROBE_EVERY))


def _near(known: KnownQuota, heard: KnownQuota) -> bool:
    recent = heard.noted_at - known.noted_at < _NOTED_EVERY
    same_day = (known.limit, known.resets_at) == (heard.limit, heard.resets_at)
    moved = abs(known.remaining - heard.remaining)
    crossed = (known.left_for_schedules() == 0) != (heard.left_for_schedules() == 0)
    return recent and same_day and not crossed and moved < known.limit * _NOTED_PART
