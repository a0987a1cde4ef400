"""Codat's daily limit as its `client.rateLimit.*` events tell of it: the breaker's view of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codat_hub.codat.domain.quota import LONGEST, next_reset

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.codat.domain.stamp import Stamp


@dataclass(frozen=True, slots=True)
class RateLimitNotice:
    """`reached_until`: calls are pointless before it; None: calls are welcome."""

    stamp: Stamp
    reached_until: datetime | None


def reached(stamp: Stamp, expiry: datetime | None) -> RateLimitNotice:
    """Read a `reached` event, a senseless expiry as the next 00:00 UTC (docs/codat.md, C14)."""
    believable = expiry is not None and stamp.at < expiry <= stamp.at + LONGEST
    return RateLimitNotice(stamp, expiry if believable else next_reset(stamp.at))


def reset(stamp: Stamp) -> RateLimitNotice:
    return RateLimitNotice(stamp, None)


def latest(
    known: RateLimitNotice | None, notice: RateLimitNotice, now: datetime
) -> RateLimitNotice | None:
    """Move forward only, and not at all for a limit whose expiry has passed."""
    if notice.reached_until is not None and notice.reached_until <= now:
        return known
    if known is not None and notice.stamp <= known.stamp:
        return known
    return notice
