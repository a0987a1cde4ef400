"""A read of a company has completed: its lease ends, and who waited for that is sent at once.

The lease comes first and the tickets second: a worker writes "busy" first and gives its lease back
second. So one of the two always sees the other, however they interleave, and no wake-up is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codat_hub.errors import Unavailable
from codat_hub.product_events.domain.woken import Woken
from codat_hub.refresh.domain import lease as lease_rules
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.storage.update import TRIES
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.refresh.domain.lease import Lease
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.refresh.ports import Leases, Queue, Tickets


@dataclass(frozen=True, slots=True)
class WakeCompany:
    """Raises Unavailable; may be repeated."""

    tickets: Tickets
    leases: Leases
    queue: Queue
    now: Callable[[], datetime]

    def __call__(self, company_id: str, product: str | None, at: datetime) -> Woken:
        """A read of `product` (None: under client-level settings) completed at Codat's `at`."""
        lease = self._end_lease(company_id, product, at)
        if lease is None:
            return Woken()  # no refresh of this company was ever begun
        done = self._complete(company_id, product, at)
        busy = lease.held(self.now()) and lease.holder != lease_rules.name(product)
        woken = None if busy else self.wake_next(company_id)
        return Woken(done is not None, woken is not None)

    def wake_next(self, company_id: str) -> Ticket | None:
        """Send the company's most overdue waiting ticket, under a new generation."""
        for _ in range(TRIES):
            found = dict(self.tickets.of_company(company_id))
            chosen = ticket_rules.most_overdue(list(found))
            if chosen is None:
                return None
            sent = ticket_rules.sent(chosen, self.now())
            if self.tickets.put(sent, found[chosen]):
                self.queue.send([RefreshMessage(company_id, sent.product, sent.generation)])
                logger.info("refresh woken", company_id=company_id, product=sent.product)
                return sent
        raise Unavailable(f"{company_id}: others kept changing its tickets")

    def _end_lease(self, company_id: str, product: str | None, at: datetime) -> Lease | None:
        for _ in range(TRIES):
            lease, version = self.leases.get(company_id, product)
            if not version:
                return None
            after = lease_rules.after_read(lease, product, at)
            if after == lease or self.leases.put(company_id, product, after, version):
                return after
        raise Unavailable(f"{company_id}: others kept changing its lease")

    def _complete(self, company_id: str, product: str | None, at: datetime) -> Ticket | None:
        for _ in range(TRIES):
            ticket, version = self.tickets.get(company_id, product)
            if ticket is None:
                return None
            done = ticket_rules.completed(ticket, product, at)
            if done == ticket:
                return None
            if self.tickets.put(done, version):
                return done
        raise Unavailable(f"{company_id}: others kept changing its ticket")
