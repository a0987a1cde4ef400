"""End a refresh that is not wanted any more: by a person, or because its product went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from codat_hub.errors import Unavailable
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.ticket import Status, Trouble
from codat_hub.storage.update import TRIES
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.refresh import ports


@dataclass(frozen=True, slots=True)
class CancelRefresh:
    tickets: ports.Tickets
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def cancel(self, company_id: str, product: str | None, reason: str) -> None:
        """Close the pair's ticket, if one is open. Raises Unavailable."""
        for _ in range(TRIES):
            ticket, version = self.tickets.get(company_id, product)
            if ticket is None or not ticket.open:
                return
            trouble = Trouble("cancelled", reason)
            done = ticket_rules.closed(ticket, Status.CANCELLED, trouble, self.now())
            if self.tickets.put(done, version):
                logger.info("refresh cancelled", company_id=company_id, product=product)
                return
        raise Unavailable(f"{company_id}: others kept changing its ticket")
