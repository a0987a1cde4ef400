"""Dates as Codat writes them: plain strings in several shapes, kept as they came."""

from datetime import UTC, datetime


class CodatTime(str):
    """A date exactly as Codat wrote it; `moment` is the same in UTC.

    Seen: `…Z`, with an offset, without one, with 7 fractional digits, date only; one published
    sample is no valid time at all (docs/codat.md, C5, C14).
    """

    __slots__ = ()

    @property
    def moment(self) -> datetime | None:
        """Aware, in UTC, cut to microseconds; None when unreadable. No offset is read as UTC."""
        try:
            parsed = datetime.fromisoformat(self)
            if parsed.tzinfo is None:
                return parsed.replace(tzinfo=UTC)
            return parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
