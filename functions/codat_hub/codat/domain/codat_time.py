"""Dates as Codat writes them: texts in several forms (docs/codat.md, C5, C14)."""

from datetime import UTC, datetime


class CodatTime(str):
    """A date with the text that Codat wrote; `moment` is the time that it means."""

    __slots__ = ()

    @property
    def moment(self) -> datetime | None:
        """The time in UTC, cut to microseconds; None if it is unreadable. No offset means UTC."""
        try:
            parsed = datetime.fromisoformat(self)
            if parsed.tzinfo is None:
                return parsed.replace(tzinfo=UTC)
            return parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
