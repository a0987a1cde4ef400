"""The end of a read ends the company's lease and sends one ticket that waits for it.

This module writes the lease, then the ticket. A worker writes "busy" to its ticket, then gives its
lease back. Because the orders are opposite, one of them always sees the other's write, and no
wake-up is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.product_events.domain.woken import Woken
from codat_hub.refresh.domain import lease as lease_rules
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.refresh.domain.lease import Lease
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.refresh.ports import Leases, RefreshSender, Tickets


@dataclass(frozen=True, slots=True)
class WakeCompany:
    """Raises Unavailable, and may be repeated."""

    tickets: Tickets
    leases: Leases
    queue: RefreshSender
    now: Callable[[], datetime]

    def __call__(self, company_id: str, product: str | None, at: datetime) -> Woken:
        """Note that a read of `product` completed at `at` by Codat's clock, and wake a ticket.

        product: None for a read by client-level settings
        """
        lease = self._end_lease(company_id, product, at)
        if lease is None:
            return Woken()  # no refresh of this company ever began
        completed = self._complete(company_id, product, at)
        busy = lease.held(self.now()) and lease.holder != lease_rules.name(product)
        woken = None if busy else self.wake_next(company_id)
        return Woken(completed, woken is not None)

    def wake_next(self, company_id: str) -> Ticket | None:
        """Send and return the company's longest waiting ticket, or None if no ticket waits."""

        def read() -> tuple[dict[Ticket, int], None]:
            return dict(self.tickets.of_company(company_id)), None

        def next_sent(versions: dict[Ticket, int]) -> tuple[Ticket, int] | None:
            ticket = ticket_rules.longest_waiting(list(versions))
            if ticket is None:
                return None
            return ticket_rules.sent(ticket, self.now()), versions[ticket]

        what = f"the refreshes of company {company_id}"
        chosen = update(read, next_sent, lambda write, _: self.tickets.put(*write), what).after
        if chosen is None:
            return None
        sent, _ = chosen
        self._send(sent)
        logger.info("refresh woken", company_id=company_id, product=sent.product)
        return sent

    def wake(self, company_id: str, product: str | None) -> bool:
        """Send this ticket if it waits for a read that has ended; tell whether it was sent here."""
        ticket, version = self.tickets.get(company_id, product)
        if ticket is None or not ticket.awaits_a_read:
            return False
        sent = ticket_rules.sent(ticket, self.now())
        if not self.tickets.put(sent, version):
            return False  # another process changed the ticket meanwhile
        self._send(sent)
        return True

    def _send(self, ticket: Ticket) -> None:
        self.queue.send([RefreshMessage(ticket.company_id, ticket.product, ticket.generation)])

    def _end_lease(self, company_id: str, product: str | None, at: datetime) -> Lease | None:
        """Return the lease after the read; None if there never was one."""

        def read() -> tuple[Lease | None, int]:
            lease, version = self.leases.get(company_id, product)
            return (lease if version else None), version

        def touched(lease: Lease | None) -> Lease | None:
            after = lease and lease_rules.after_read(lease, product, at)
            return None if after == lease else after

        write = partial(self.leases.put, company_id, product)
        ended = update(read, touched, write, f"the lease of company {company_id}")
        return ended.after or ended.before

    def _complete(self, company_id: str, product: str | None, at: datetime) -> bool:
        """Close the accepted ticket whose read this was; tell whether there was one."""

        def completed(ticket: Ticket | None) -> Ticket | None:
            after = ticket and ticket_rules.completed(ticket, product, at)
            return None if after == ticket else after

        read = partial(self.tickets.get, company_id, product)
        what = f"the refresh of company {company_id}"
        return update(read, completed, self.tickets.put, what).after is not None
