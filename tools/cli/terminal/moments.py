"""Times for people: in the local zone, with the time since or until them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tools.cli.failures import Misused

_UNITS: Final = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_SHOWN_AGE: Final = re.compile(r" \((?:now|in \d+ [a-z]+|\d+ [a-z]+ ago)\)")
_AGE_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def readable(iso: str | None, now: datetime | None = None) -> str:
    """Return `2026-11-22 10:03 (5 min ago)` in the local zone; `-` for no time.

    A text that is not a time is returned unchanged.
    """
    if not iso:
        return "-"
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return f"{moment.astimezone():%Y-%m-%d %H:%M} ({_relative(seconds)})"


def lasting(seconds: float) -> str:
    """Return a length of time in its largest whole unit: `3 days`, `5 min`, `0 s`."""
    for name, length in _UNITS:
        count = int(abs(seconds) // length)
        if count:
            return f"{count} {name}{'s' if name == 'day' and count > 1 else ''}"
    return "0 s"


def _relative(seconds: float) -> str:
    if abs(seconds) < 1:
        return "now"
    return f"{lasting(seconds)} ago" if seconds > 0 else f"in {lasting(seconds)}"


def without_age(text: str) -> str:
    """Return a text without the ages that `readable` adds, because they change by themselves."""
    return _SHOWN_AGE.sub("", text)


def moment_of(text: str, now: datetime | None = None) -> datetime:
    """Read a time that a person typed: ISO 8601 (local without a zone), or an age such as `6h`.

    Raises ValueError.
    """
    age = _AGE.fullmatch(text.strip())
    if age:
        seconds = int(age[1]) * _AGE_UNITS[age[2]]
        return (now or datetime.now(UTC)) - timedelta(seconds=seconds)
    return datetime.fromisoformat(text.strip()).astimezone(UTC)


def time_given(option: str, text: str) -> str:
    """Return the time of an option as the API takes it. Raises Misused."""
    try:
        return moment_of(text).isoformat()
    except (ValueError, OverflowError):
        raise Misused(
            f"{option} {text!r} is not a time. Allowed: 2026-11-22T10:00 (local), "
            "2026-11-22T10:00+00:00, or an age such as 30m, 6h, 2d."
        ) from None
