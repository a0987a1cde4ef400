"""The client-wide breaker: while Codat refuses every call, only a probe leaves now and then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from codat_hub.codat.errors import (
    CallFailed,
    Forbidden,
    NotFound,
    NotUnderstood,
    OutcomeUnknown,
    Permanent,
    RateLimited,
    TryLater,
    Unauthorized,
    WrongClient,
)
from codat_hub.rate_limiting.domain.waits import Waits

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice

PROBE_EVERY: Final = timedelta(minutes=5)
# With `Retry-After: 0`, or a time already past by our clock, every queued message would call once.
LEAST_PAUSE: Final = timedelta(seconds=10)
REFUSED_IN_A_ROW: Final = 3  # companies; a refusal of fewer concerns those companies alone


class Cause(StrEnum):
    """What opened the breaker."""

    UNAUTHORIZED = "unauthorized"
    WRONG_CLIENT = "wrong_client"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker is closed while `cause` is None.

    refused: the companies that Codat refused (402, 403) since the last success
    """

    cause: Cause | None = None
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    refused: tuple[str, ...] = ()

    def blocked_until(self, now: datetime, notice: RateLimitNotice | None) -> datetime | None:
        """Return when the next call may leave (None: now), by the newest rate limit notice too."""
        if notice is not None and notice.reached_until is not None and now < notice.reached_until:
            return notice.reached_until
        if self.cause is None or self._freed_by(notice):
            return None
        return self.probe_at if self.probe_at is not None and now < self.probe_at else None

    def waits_for(self) -> Waits:
        """Return what a ticket waits for while this breaker or a notice blocks it."""
        limited = self.cause in {None, Cause.RATE_LIMITED}
        return Waits.RATE_LIMIT if limited else Waits.BREAKER

    def leaving(self, now: datetime, notice: RateLimitNotice | None) -> Breaker:
        """Return the breaker after one call left: of an open one it was the probe."""
        if self.cause is None:
            return self
        if self._freed_by(notice):
            return replace(self, cause=None, opened_at=None, probe_at=None)
        return replace(self, probe_at=now + PROBE_EVERY)

    def probing(self, notice: RateLimitNotice | None) -> bool:
        """Tell whether the next call would be a probe, which no other call may follow."""
        return self.cause is not None and not self._freed_by(notice)

    def _freed_by(self, notice: RateLimitNotice | None) -> bool:
        """Tell whether a reset event came after the breaker opened for the quota."""
        if self.cause is not Cause.RATE_LIMITED or self.opened_at is None or notice is None:
            return False
        return notice.reached_until is None and notice.stamp.at > self.opened_at

    def after(
        self,
        failure: CallFailed | WrongClient | None,
        company_id: str,
        called_at: datetime,
        now: datetime,
    ) -> Breaker:
        """Return the breaker after a call made at `called_at` (failure None: accepted)."""
        match failure:
            case WrongClient():
                return _opened(self, Cause.WRONG_CLIENT, now, now + PROBE_EVERY)
            case Unauthorized():
                return _opened(self, Cause.UNAUTHORIZED, now, now + PROBE_EVERY)
            case RateLimited():
                probe_at = max(failure.retry_at or now + PROBE_EVERY, now + LEAST_PAUSE)
                return _opened(self, Cause.RATE_LIMITED, now, probe_at)
            case Forbidden():
                return self._refused(company_id, now)
            case TryLater() | OutcomeUnknown() | NotUnderstood() | NotFound() | Permanent():
                return self  # says nothing about key, plan or quota
            case _:
                return self._succeeded(called_at)

    def _refused(self, company_id: str, now: datetime) -> Breaker:
        companies = tuple(dict.fromkeys((*self.refused, company_id)))[-REFUSED_IN_A_ROW:]
        refused = replace(self, refused=companies)
        if self.cause is Cause.FORBIDDEN or len(companies) >= REFUSED_IN_A_ROW:
            return _opened(refused, Cause.FORBIDDEN, now, now + PROBE_EVERY)
        return refused

    def _succeeded(self, called_at: datetime) -> Breaker:
        if self.opened_at is not None and called_at < self.opened_at:
            return replace(self, refused=())  # the call left before the breaker opened
        return Breaker()


def _opened(breaker: Breaker, cause: Cause, now: datetime, probe_at: datetime) -> Breaker:
    # Only a reset newer than the last 429 frees the breaker, so each 429 opens it anew.
    before = None if cause is Cause.RATE_LIMITED else breaker.opened_at
    opened_at = before if breaker.cause is cause and before is not None else now
    return replace(breaker, cause=cause, opened_at=opened_at, probe_at=probe_at)
