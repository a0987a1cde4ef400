"""The client-wide breaker: while Codat refuses every call, only a probe leaves now and then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.codat.errors import (
    Busy,
    CallFailed,
    Forbidden,
    NotUnderstood,
    OutcomeUnknown,
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
# While Codat itself says that it refuses calls for longer, by `Retry-After` or by its event.
PROBE_LONG: Final = timedelta(hours=1)
REFUSED_IN_A_ROW: Final = 3  # companies; a refusal of fewer concerns those companies alone
EDGES_IN_A_ROW: Final = 10  # answers from an edge; fewer concern their calls alone


class Cause(StrEnum):
    """What opened the breaker."""

    UNAUTHORIZED = "unauthorized"
    WRONG_CLIENT = "wrong_client"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    EDGE = "edge"


class Stopped(NamedTuple):
    """Only probes leave: why, since when, and when the next one may."""

    cause: Cause
    since: datetime
    probe_at: datetime


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker is closed while `cause` is None.

    refused: the companies that Codat refused (402, 403) since the last success
    edges: answers from an edge since the last answer of Codat's
    pauses: 429s in a row that did not say how long they last
    disproved_at: when a call left that succeeded although an event had reported a used-up quota
    """

    cause: Cause | None = None
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    refused: tuple[str, ...] = ()
    edges: int = 0
    pauses: int = 0
    disproved_at: datetime | None = None

    def blocked_until(self, now: datetime, notice: RateLimitNotice | None) -> datetime | None:
        """Return when the next call may leave (None: now), by the newest rate limit notice too."""
        until = None if self.cause is None or self._freed_by(notice) else self.probe_at
        if notice is not None and self._reached(now, notice):
            until = max(until or now, self._probe_of(notice))
        return until if until is not None and now < until else None

    def waits_for(self) -> Waits:
        """Return what a ticket waits for while this breaker or a notice blocks it."""
        limited = self.cause in {None, Cause.RATE_LIMITED}
        return Waits.RATE_LIMIT if limited else Waits.BREAKER

    def leaving(self, now: datetime, notice: RateLimitNotice | None) -> Breaker:
        """Return the breaker after one call left: of an open one it was the probe."""
        if self._reached(now, notice):
            return replace(self, probe_at=now + PROBE_LONG)
        if self.cause is None:
            return self
        if self._freed_by(notice):
            return replace(self, cause=None, opened_at=None, probe_at=None, pauses=0)
        return replace(self, probe_at=now + PROBE_EVERY)

    def open_for(self, now: datetime, notice: RateLimitNotice | None) -> Stopped | None:
        """Return why only probes leave now, by the newest rate limit notice too; None: calls do."""
        until = self.blocked_until(now, notice) or now
        if self.cause is not None and not self._freed_by(notice):
            return Stopped(self.cause, self.opened_at or now, until)
        if notice is not None and self._reached(now, notice):
            return Stopped(Cause.RATE_LIMITED, notice.stamp.at, until)
        return None

    def probing(self, now: datetime, notice: RateLimitNotice | None) -> bool:
        """Tell whether the next call would be a probe, which no other call may follow."""
        open_now = self.cause is not None and not self._freed_by(notice)
        return open_now or self._reached(now, notice)

    def _reached(self, now: datetime, notice: RateLimitNotice | None) -> bool:
        """Tell whether an event reported a used-up quota, and no call since then succeeded."""
        if notice is None or notice.reached_until is None or now >= notice.reached_until:
            return False
        return self.disproved_at is None or self.disproved_at <= notice.stamp.at

    def _probe_of(self, notice: RateLimitNotice) -> datetime:
        """Return when a probe may leave although the notice says that the quota is used up."""
        first = notice.stamp.at + PROBE_LONG
        probe_at = max(first, self.probe_at) if self.probe_at is not None else first
        return min(probe_at, notice.reached_until or probe_at)

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
        known = _proved_by(self, failure, called_at)
        match failure:
            case WrongClient():
                return _opened(known, Cause.WRONG_CLIENT, now, now + PROBE_EVERY)
            case Unauthorized():
                return _opened(known, Cause.UNAUTHORIZED, now, now + PROBE_EVERY)
            case RateLimited():
                return _limited(known, failure.retry_at, called_at, now)
            case Forbidden():
                return _refused(known, company_id, now)
            case TryLater() if failure.edge:
                return _edged(known, now)
            case _:
                return known


def _is_codats(failure: CallFailed | WrongClient | None) -> bool:
    """Tell whether Codat itself answered, and not an edge, nothing at all or half an answer."""
    match failure:
        case None:
            return True
        case WrongClient() | NotUnderstood() | TryLater():
            return False  # nobody can tell whether a 5xx is Codat's
        case OutcomeUnknown():
            return failure.status == 409  # any other is the status of an answer that broke off
        case _:
            return failure.status is not None


def _closes(cause: Cause | None, failure: CallFailed | WrongClient | None) -> bool:
    """Tell whether the outcome of a call disproves what the breaker is open for."""
    if not _is_codats(failure):
        return False
    match cause:
        case Cause.UNAUTHORIZED | Cause.WRONG_CLIENT:
            # A 400 or 404 shows that the key is good, and a 402 too.
            no_permission = isinstance(failure, Forbidden) and failure.status != 402
            return not no_permission and not isinstance(failure, (Unauthorized, RateLimited))
        case Cause.RATE_LIMITED:
            return not isinstance(failure, RateLimited)
        case Cause.FORBIDDEN:
            return failure is None or isinstance(failure, Busy)
        case _:
            return cause is Cause.EDGE


def _proved_by(
    breaker: Breaker, failure: CallFailed | WrongClient | None, called_at: datetime
) -> Breaker:
    """Return the breaker with what an answer disproves: it may close it."""
    known = breaker
    if _is_codats(failure) and breaker.edges and breaker.cause is not Cause.EDGE:
        known = replace(known, edges=0)
    if failure is None or isinstance(failure, Busy):
        known = replace(known, refused=())
        if breaker.cause is None and breaker.probe_at is not None:  # the probe beside a notice
            known = replace(known, probe_at=None, disproved_at=called_at)
    if breaker.opened_at is not None and called_at < breaker.opened_at:
        return known  # the call left before the breaker opened
    return _closed(known) if _closes(breaker.cause, failure) else known


def _closed(breaker: Breaker) -> Breaker:
    return Breaker(refused=breaker.refused, disproved_at=breaker.disproved_at)


def _limited(
    breaker: Breaker, retry_at: datetime | None, called_at: datetime, now: datetime
) -> Breaker:
    """Return the breaker after a 429: until then, or for the next pause of the minute's guard.

    Several calls that were under way together count as one pause.
    """
    again = breaker.cause is Cause.RATE_LIMITED
    if retry_at is not None:
        probe_at = min(max(retry_at, now + LEAST_PAUSE), now + PROBE_LONG)
        return replace(_opened(breaker, Cause.RATE_LIMITED, now, probe_at), pauses=0)
    together = again and breaker.opened_at is not None and called_at < breaker.opened_at
    pauses = max(breaker.pauses, 1) if together else breaker.pauses + 1 if again else 1
    pause = min(timedelta(minutes=2 ** min(pauses - 1, 3)), PROBE_EVERY)
    return replace(_opened(breaker, Cause.RATE_LIMITED, now, now + pause), pauses=pauses)


def _refused(breaker: Breaker, company_id: str, now: datetime) -> Breaker:
    companies = tuple(dict.fromkeys((*breaker.refused, company_id)))[-REFUSED_IN_A_ROW:]
    refused = replace(breaker, refused=companies)
    if breaker.cause in {Cause.UNAUTHORIZED, Cause.WRONG_CLIENT}:
        return refused  # it stays open for the key, which has no success yet
    if breaker.cause is Cause.FORBIDDEN or len(companies) >= REFUSED_IN_A_ROW:
        return _opened(refused, Cause.FORBIDDEN, now, now + PROBE_EVERY)
    return refused


def _edged(breaker: Breaker, now: datetime) -> Breaker:
    edged = replace(breaker, edges=min(breaker.edges + 1, EDGES_IN_A_ROW))
    if breaker.cause is None and edged.edges >= EDGES_IN_A_ROW:
        return _opened(edged, Cause.EDGE, now, now + PROBE_EVERY)
    return edged


def _opened(breaker: Breaker, cause: Cause, now: datetime, probe_at: datetime) -> Breaker:
    # Only a reset newer than the last 429 frees the breaker, so each 429 opens it anew.
    before = None if cause is Cause.RATE_LIMITED else breaker.opened_at
    opened_at = before if breaker.cause is cause and before is not None else now
    return replace(breaker, cause=cause, opened_at=opened_at, probe_at=probe_at)
