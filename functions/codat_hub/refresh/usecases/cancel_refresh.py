"""Cancel a refresh that is not wanted any more: a person says so, or its product was removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.refresh import ports
    from codat_hub.refresh.domain.ticket import Ticket


@dataclass(frozen=True, slots=True)
class CancelRefresh:
    """Closes a ticket, whatever it waits for."""

    tickets: ports.Tickets
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def cancel(self, company_id: str, product: str | None, reason: str) -> None:
        """Close the ticket of the company's product, if it is open. Raises Unavailable."""

        def cancelled(ticket: Ticket | None) -> Ticket | None:
            if ticket is None or not ticket.open:
                return None
            failure = Failure("cancelled", reason)
            return ticket_rules.closed(ticket, TicketStatus.CANCELLED, failure, self.now())

        read = partial(self.tickets.get, company_id, product)
        what = f"the refresh of company {company_id}"
        if update(read, cancelled, self.tickets.put, what).after is not None:
            logger.info("refresh cancelled", company_id=company_id, product=product)
