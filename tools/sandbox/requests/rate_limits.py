"""Codat's three limits and their headers (docs/codat.md, C10, C11, C13)."""

import math
from collections import Counter, deque
from datetime import datetime, time, timedelta
from typing import Final

from tools.sandbox.requests.errors import CodatError, too_many_requests
from tools.sandbox.world.model import AgendaEntry, Quota, State
from tools.sandbox.world.moments import codat_date
from tools.sandbox.world.world import World

QUOTA_PER_COMPANY: Final = 1000
MOST_AT_ONCE_PER_COMPANY: Final = 10
MINUTE: Final = timedelta(seconds=60)
DAY: Final = timedelta(days=1)


class TooManyRequests(Exception):  # a refusal, named like Codat's status
    """A limit is reached; it lasts `wait` from `now`, in real or sandbox time."""

    def __init__(self, wait: timedelta, now: datetime) -> None:
        super().__init__("limit reached")
        self.wait = wait
        self.now = now
        self.answer: CodatError = too_many_requests()


def daily_quota(state: State) -> int:
    """Return 1000 x (1 + companies with a linked connection), unless it was set by hand."""
    if state.quota.daily is not None:
        return state.quota.daily
    return QUOTA_PER_COMPANY * (1 + state.active_companies)


def remaining(state: State) -> int:
    """Return how much of today's quota is left."""
    return max(0, daily_quota(state) - state.quota.used)


def next_reset(now: datetime) -> datetime:
    """Return the next midnight in UTC."""
    return datetime.combine(now.date(), time(tzinfo=now.tzinfo)) + DAY


class RateLimits:
    """Count requests: the minute and concurrency in real time, the day in sandbox time."""

    def __init__(self, minute_limit: int) -> None:
        self._minute_limit = minute_limit
        self._recent: dict[str, deque[datetime]] = {}
        self._at_once: Counter[str] = Counter()

    def admit(self, world: World, address: str, company_id: str | None, wall: datetime) -> None:
        """Count a request or refuse it; the caller must release an admitted request."""
        self._check_minute(address, wall)
        if company_id and self._at_once[company_id] >= MOST_AT_ONCE_PER_COMPANY:
            raise TooManyRequests(timedelta(seconds=1), wall)
        self._use_quota(world)
        if company_id:
            self._at_once[company_id] += 1

    def release(self, company_id: str | None) -> None:
        """Take an answered request off the count of concurrent requests."""
        if company_id:
            self._at_once[company_id] -= 1
            if not self._at_once[company_id]:
                del self._at_once[company_id]

    def _check_minute(self, address: str, wall: datetime) -> None:
        if not self._minute_limit:
            return
        recent = self._recent.setdefault(address, deque())
        while recent and recent[0] <= wall - MINUTE:
            recent.popleft()
        if len(recent) >= self._minute_limit:
            raise TooManyRequests(recent[0] + MINUTE - wall, wall)
        recent.append(wall)

    def _use_quota(self, world: World) -> None:
        _start_day(world)
        if remaining(world.state) == 0:
            announce_reached(world)
            raise TooManyRequests(next_reset(world.now) - world.now, world.now)
        world.state.quota.used += 1
        if remaining(world.state) == 0:
            announce_reached(world)


def headers(world: World) -> dict[str, str]:
    """Return the headers of every answer; the reset is a date."""
    _start_day(world)
    return {
        "X-Rate-Limit-Limit": str(daily_quota(world.state)),
        "X-Rate-Limit-Remaining": str(remaining(world.state)),
        "X-Rate-Limit-Reset": codat_date(next_reset(world.now)),
    }


def retry_after(world: World, refusal: TooManyRequests) -> str:
    """Return seconds, or an HTTP date if that was chosen, as Codat does not say which."""
    if world.state.quota.retry_after_as_date:
        return f"{refusal.now + refusal.wait + timedelta(seconds=1):%a, %d %b %Y %H:%M:%S GMT}"
    return str(max(1, math.ceil(refusal.wait.total_seconds())))


def announce_reached(world: World) -> None:
    """Send client.rateLimit.reached, once a day, and plan the reset."""
    quota = world.state.quota
    if quota.reached:
        return
    quota.reached = True
    world.emit("client.rateLimit.reached", _payload(world.state, world.now), about=None)
    world.plan(next_reset(world.now), "quota.reset")


def leave(world: World, left: int) -> None:
    """Set how much of today's quota is left; 0 sends the event."""
    _start_day(world)
    world.state.quota.used = max(0, daily_quota(world.state) - left)
    _note_what_is_left(world)


def set_daily(world: World, daily: int | None) -> None:
    """Set the quota of a day, None for the formula; 0 left sends the event."""
    _start_day(world)
    world.state.quota.daily = daily
    _note_what_is_left(world)


def on_reset(world: World, _: AgendaEntry) -> None:
    """Reset the quota at the midnight after it was reached."""
    reset(world)


def reset(world: World) -> None:
    """Free the whole quota, and send client.rateLimit.reset if it was reached."""
    quota = world.state.quota
    was_reached = quota.reached
    quota.used, quota.reached, quota.day = 0, False, _day(world.now)
    if was_reached:
        world.emit("client.rateLimit.reset", _payload(world.state, world.now), about=None)


def _note_what_is_left(world: World) -> None:
    if remaining(world.state) == 0:
        announce_reached(world)
    else:
        world.state.quota.reached = False


def _start_day(world: World) -> None:
    quota: Quota = world.state.quota
    if quota.day != _day(world.now):
        quota.day, quota.used = _day(world.now), 0


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _payload(state: State, now: datetime) -> dict[str, object]:
    return {
        "dailyQuota": daily_quota(state),
        "quotaRemaining": remaining(state),
        "expiryDate": codat_date(next_reset(now)),
    }
