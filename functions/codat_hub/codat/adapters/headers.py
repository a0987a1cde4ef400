"""Response headers: when to ask again, and how much of the quota is left.

Codat states no formats (docs/codat.md, C12, C13), so values are read leniently and nothing here
raises.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from codat_hub.codat.domain.codat_time import CodatTime
from codat_hub.codat.domain.quota import Quota

if TYPE_CHECKING:
    from collections.abc import Mapping

# The quota resets every day, so a longer wait is a mistake.
LONGEST_WAIT: Final = timedelta(hours=24)
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_SECONDS: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]*)?|\.[0-9]+", re.ASCII)
_DATE: Final = re.compile(r"[0-9]:[0-9]")  # a date without a time of day is none
# One value of a header that came twice, as in `5, 7`. A date has a comma of its own.
_VALUE: Final = re.compile(r"(?:\s*(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,)?[^,]+", re.IGNORECASE)


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return `Retry-After` as a wait from `now` (aware), 0 to 24 hours; None if it has no value.

    A value is in seconds, also decimal, or an HTTP or ISO date (docs/codat.md, C12). Of several
    values the first readable one counts; a negative one is not readable.
    """
    values = _VALUE.findall(headers.get("retry-after", ""))
    waits = (_wait(value.strip(), now) for value in values)
    return next((wait for wait in waits if wait is not None), None)


def quota(headers: Mapping[str, str]) -> Quota | None:
    """Return the `X-Rate-Limit-*` headers; None when the answer has none of them."""
    found = Quota(
        limit=_count(headers.get("x-rate-limit-limit", "")),
        remaining=_count(headers.get("x-rate-limit-remaining", "")),
        resets_at=_date(headers.get("x-rate-limit-reset", "")),
    )
    return None if found == Quota() else found


def _wait(text: str, now: datetime) -> timedelta | None:
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=min(float(text), LONGEST_WAIT.total_seconds()))
    date = _date(text) if _DATE.search(text) else None
    if date is None:
        return None
    return min(max(date - now, timedelta(0)), LONGEST_WAIT)


def _count(text: str) -> int | None:
    return int(text) if _DIGITS.fullmatch(text.strip()) else None


def _date(text: str) -> datetime | None:
    return CodatTime(text.strip()).moment or _http_date(text)


def _http_date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
