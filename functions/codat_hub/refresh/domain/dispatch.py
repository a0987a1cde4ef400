"""What the dispatcher finds due, and what it remembers between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

HORIZON: Final = timedelta(minutes=1)  # how far ahead one run may send


class DueTicket(NamedTuple):
    """A ticket that the index lists as due, and its place in the list of its product."""

    company_id: str
    product: str | None
    place: str


@dataclass(frozen=True, slots=True)
class DispatchMemory:
    """The messages sent so far are spread until `busy_until`.

    products: the products that may have open tickets, registered or not
    probes: how many times a probe was sent, so that the products take turns
    swept: product and place of the due ticket that was looked at last for its deadline; None: all
        were. The product of tickets by client-level settings is empty.
    """

    busy_until: datetime | None = None
    products: tuple[str, ...] = ()
    probes: int = 0
    swept: tuple[str, str] | None = None

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
