"""Times are written and read in queries as Codat does it (docs/codat.md, C5)."""

from datetime import UTC, datetime


def codat_date(moment: datetime) -> str:
    """Return UTC with seven fractional digits, e.g. 2026-07-01T23:00:00.0000000Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def parse_date(text: str) -> datetime | None:
    """Return a date or date-time in UTC; without an offset it is read as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: outside of the years 1 to 9999 in UTC
        return None
