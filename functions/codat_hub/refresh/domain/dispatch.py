"""The dispatcher's memory: up to when its messages are spread, and whose tickets it looks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

HORIZON: Final = timedelta(minutes=1)  # how far ahead one run may send


@dataclass(frozen=True, slots=True)
class Dispatched:
    """`busy_until`: messages sent so far are spread up to then.

    products: those whose tickets may still be open, even if nobody registers them any more.
    """

    busy_until: datetime | None = None
    products: tuple[str, ...] = ()

    def starts_at(self, now: datetime) -> datetime:
        return max(self.busy_until or now, now)

    def capacity(self, now: datetime, per_second: int) -> int:
        """How many messages still fit in the coming minute."""
        left = now + HORIZON - self.starts_at(now)
        return max(int(left.total_seconds() * per_second), 0)

    def busy_after(self, now: datetime, count: int, per_second: int) -> datetime:
        return self.starts_at(now) + timedelta(seconds=count / per_second)
