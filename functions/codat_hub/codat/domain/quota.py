"""Codat's daily request quota: what an answer says about it, and when it starts anew."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

# The quota starts anew every day: a reset that is further off is none.
LONGEST: Final = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class Quota:
    """The `X-Rate-Limit-*` headers of one answer; None where a header was missing or unreadable.

    `limit` and `remaining` count requests a day for the whole client (docs/codat.md, C10, C13).
    """

    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None


def next_reset(now: datetime) -> datetime:
    """The next 00:00 UTC after `now` (aware), when the quota resets (docs/codat.md, C10)."""
    tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=UTC)
