"""The due tickets of one product, read from the index no further than they are asked for."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from codat_hub.refresh.domain.dispatch import DueTicket
    from codat_hub.refresh.ports import Tickets

_LARGEST: Final = 1000  # entries, far below the megabyte that one answer of DynamoDB holds


class DueTickets:
    """An iterator over a product's due tickets, the longest due first.

    It reads the index in portions, each twice as large as the one before, so one request more
    doubles what was read, and what is read for nothing is never more than what was asked for.
    """

    def __init__(
        self,
        tickets: Tickets,
        product: str | None,
        now: datetime,
        portion: int,
        after: str | None = None,
    ) -> None:
        """Begin behind a place of the product's list; None: at its beginning."""
        self.product = product
        self._tickets = tickets
        self._now = now
        self._portion = portion
        self._after = after
        self._read: deque[DueTicket] = deque()
        self._more = True

    @property
    def empty(self) -> bool:
        """Tell whether no ticket is left; it may read a portion to know."""
        if not self._read and self._more:
            self._read_portion()
        return not self._read

    @property
    def exhausted(self) -> bool:
        """Tell whether the index is known to list no ticket that was not returned."""
        return not self._read and not self._more

    def __iter__(self) -> Iterator[DueTicket]:
        return self

    def __next__(self) -> DueTicket:
        if self.empty:
            raise StopIteration
        return self._read.popleft()

    def _read_portion(self) -> None:
        found = self._tickets.due(self.product, self._now, self._portion, self._after)
        self._read.extend(found)
        self._more = len(found) == self._portion
        if found:
            self._after = found[-1].place
        self._portion = min(2 * self._portion, _LARGEST)
