"""Times as Codat writes them and as it reads them in queries (docs/codat.md, C5)."""

from datetime import UTC, datetime


def codat_date(moment: datetime) -> str:
    """UTC with seven fractional digits, e.g. 2026-07-01T23:00:00.0000000Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def parse_date(text: str) -> datetime | None:
    """A date or date-time as a UTC moment; without an offset it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: before the year 1 or after 9999 in UTC
        return None
