"""Codat's daily quota of requests, as an answer states it, and its next reset."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

# The quota resets every day, so a reset that is further away is not believed.
LONGEST: Final = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class Quota:
    """The `X-Rate-Limit-*` headers of an answer; None for a missing or unreadable one.

    `limit` and `remaining` count requests a day, for the whole client (docs/codat.md, C10, C13).
    """

    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None


def next_reset(now: datetime) -> datetime:
    """Return the next 00:00 UTC after `now` (aware), the quota's reset (docs/codat.md, C10)."""
    tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=UTC)
