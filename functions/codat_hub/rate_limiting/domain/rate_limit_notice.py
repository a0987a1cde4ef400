"""Codat's daily limit as its `client.rateLimit.*` events report it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codat_hub.codat.domain.quota import LONGEST, next_reset

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.codat.domain.stamp import Stamp


@dataclass(frozen=True, slots=True)
class RateLimitNotice:
    """The newest event. `reached_until`: Codat refuses calls before it; None: the quota is new."""

    stamp: Stamp
    reached_until: datetime | None


def reached(stamp: Stamp, expiry: datetime | None) -> RateLimitNotice:
    """Read a `reached` event.

    An expiry that cannot be true counts as the next 00:00 UTC (docs/codat.md, C14).
    """
    believable = expiry is not None and stamp.at < expiry <= stamp.at + LONGEST
    return RateLimitNotice(stamp, expiry if believable else next_reset(stamp.at))


def reset(stamp: Stamp) -> RateLimitNotice:
    """Read a `reset` event."""
    return RateLimitNotice(stamp, None)


def latest(
    known: RateLimitNotice | None, notice: RateLimitNotice, now: datetime
) -> RateLimitNotice | None:
    """Return the newer of the two notices; a limit that has expired at `now` never replaces one."""
    if notice.reached_until is not None and notice.reached_until <= now:
        return known
    if known is not None and notice.stamp <= known.stamp:
        return known
    return notice
