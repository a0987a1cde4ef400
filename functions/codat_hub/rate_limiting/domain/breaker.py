"""The client-wide breaker: no calls while Codat refuses them all, but a probe now and then."""

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

    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimit

PROBE_EVERY: Final = timedelta(minutes=5)
# After "retry at once", or at a time that is over by our clock, all on its way would call in turn.
LEAST_PAUSE: Final = timedelta(seconds=10)
REFUSED_IN_A_ROW: Final = 3  # companies: fewer are those companies' own trouble


class Cause(StrEnum):
    UNAUTHORIZED = "unauthorized"
    WRONG_CLIENT = "wrong_client"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"


@dataclass(frozen=True, slots=True)
class Breaker:
    """Closed while `cause` is None. `refused`: companies refused (402, 403) since a success."""

    cause: Cause | None = None
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    refused: tuple[str, ...] = ()

    def barred_until(self, now: datetime, notice: RateLimit | None) -> datetime | None:
        """When the next call may leave; None: now. `notice`: what Codat's events said last."""
        if notice is not None and notice.reached_until is not None and now < notice.reached_until:
            return notice.reached_until
        if self.cause is None or self._freed_by(notice):
            return None
        return self.probe_at if self.probe_at is not None and now < self.probe_at else None

    def waits_for(self) -> Waits:
        limited = self.cause in {None, Cause.RATE_LIMITED}
        return Waits.RATE_LIMIT if limited else Waits.BREAKER

    def leaving(self, now: datetime, notice: RateLimit | None) -> Breaker:
        """One call leaves: of an open breaker it is the probe, and the next one waits its turn."""
        if self.cause is None:
            return self
        if self._freed_by(notice):
            return replace(self, cause=None, opened_at=None, probe_at=None)
        return replace(self, probe_at=now + PROBE_EVERY)

    def probing(self, notice: RateLimit | None) -> bool:
        """Tell whether the next call would be a probe: then no other one may follow it."""
        return self.cause is not None and not self._freed_by(notice)

    def _freed_by(self, notice: RateLimit | None) -> bool:
        """Tell whether Codat has said since the breaker opened that the quota is new."""
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
        """What a call's end (None: accepted) that left at `called_at` says about all the others."""
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
        row = tuple(dict.fromkeys((*self.refused, company_id)))[-REFUSED_IN_A_ROW:]
        refused = replace(self, refused=row)
        if self.cause is Cause.FORBIDDEN or len(row) >= REFUSED_IN_A_ROW:
            return _opened(refused, Cause.FORBIDDEN, now, now + PROBE_EVERY)
        return refused

    def _succeeded(self, called_at: datetime) -> Breaker:
        if self.opened_at is not None and called_at < self.opened_at:
            return replace(self, refused=())  # it left before the trouble began
        return Breaker()


def _opened(breaker: Breaker, cause: Cause, now: datetime, probe_at: datetime) -> Breaker:
    # only a reset newer than the last 429 frees the breaker, so that one counts as the beginning
    before = None if cause is Cause.RATE_LIMITED else breaker.opened_at
    opened_at = before if breaker.cause is cause and before is not None else now
    return replace(breaker, cause=cause, opened_at=opened_at, probe_at=probe_at)
