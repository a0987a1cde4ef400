"""What the dispatcher remembers between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

HORIZON: Final = timedelta(minutes=1)  # how far ahead one run may send


@dataclass(frozen=True, slots=True)
class DispatchMemory:
    """The messages sent so far are spread until `busy_until`.

    products: the products that may have open tickets, registered or not
    probes: how many times a probe was sent, so that the products take turns
    """

    busy_until: datetime | None = None
    products: tuple[str, ...] = ()
    probes: int = 0

    def starts_at(self, now: datetime) -> datetime:
        """Return when the next message may be worked on."""
        return max(self.busy_until or now, now)

    def capacity(self, now: datetime, per_second: int) -> int:
        """Return how many messages still fit in the coming minute."""
        left = now + HORIZON - self.starts_at(now)
        return max(int(left.total_seconds() * per_second), 0)

    def busy_after(self, now: datetime, count: int, per_second: int) -> datetime:
        """Return until when the messages are spread after `count` more."""
        return self.starts_at(now) + timedelta(seconds=count / per_second)
