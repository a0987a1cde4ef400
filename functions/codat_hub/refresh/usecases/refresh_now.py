"""A person asks for a refresh now, looks at it, or cancels it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.usecases.known_company import known_company
from codat_hub.errors import Absent, Conflict, Invalid, Problem
from codat_hub.products.domain.product import ProductKind
from codat_hub.products.usecases.registry import registered
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import LONGEST, Ticket, TicketStatus
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from codat_hub.companies.ports import Assignments, Companies
    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products
    from codat_hub.refresh import ports


@dataclass(frozen=True, slots=True)
class RefreshNow:
    """Raises Absent, Conflict, Invalid and Unavailable. `by` is always the caller's ARN.

    plan_now: starts the planner with product, time and caller, and does not wait for it
    """

    tickets: ports.Tickets
    assignments: Assignments
    companies: Companies
    registry: Products
    queue: ports.RefreshSender
    plan_now: Callable[[str, datetime, str], None]
    now: Callable[[], datetime]

    def company(
        self, company_id: str, product: str, data_types: tuple[str, ...] | None, by: str
    ) -> Ticket:
        """Refresh one company's product: all of it (data_types None) or some of its data types."""
        known = self._custom(product)
        _refuse_others(data_types, known.data_types, f"data types of {product}")
        self._linked(company_id)
        assignment, _ = self.assignments.get(company_id, product)
        if assignment.status is not AssignmentStatus.ASSIGNED:
            raise Conflict(
                f"The company does not have {product} (it is {assignment.status.value}). Add it"
                f" first: tools/hub companies add-product {company_id} {product}"
            )
        if not assignment.may_be_read(known):
            raise Conflict(
                f"No active consent covers all data types of {product}. Record one first:"
                f" tools/hub consents grant {company_id} {product} --by OWNER"
            )
        return self._send(company_id, product, data_types, by)

    def client_level(self, company_id: str, data_types: tuple[str, ...] | None, by: str) -> Ticket:
        """Refresh a company by client-level settings: all of it, or each data type by a call."""
        _refuse_others(data_types, DATA_TYPES, "data types that Codat knows")
        self._linked(company_id)
        assigned = [
            assignment.product
            for assignment in self.assignments.of_company(company_id)
            if assignment.status is AssignmentStatus.ASSIGNED
        ]
        if assigned:
            raise Conflict(
                f"The company is on product-level settings ({', '.join(assigned)}). Refresh its"
                f" products one by one: tools/hub refresh company {company_id} PRODUCT"
            )
        return self._send(company_id, None, data_types, by)

    def all_companies(self, product: str, by: str) -> datetime:
        """Refresh every company that has the product, and return the time of the planner's run."""
        self._custom(product)
        at = self.now().replace(microsecond=0)
        self.plan_now(product, at, by)
        logger.info("refresh of a whole product asked for", product=product, by=by)
        return at

    def show(self, company_id: str, product: str | None) -> Ticket:
        """Return the newest refresh of the company's product, open or closed."""
        ticket, _ = self.tickets.get(company_id, product)
        if ticket is None:
            how = "by client-level settings" if product is None else f"of product {product}"
            raise Absent(f"Company {company_id} never had a refresh {how}.")
        return ticket

    def stop(self, company_id: str, product: str | None, by: str) -> Ticket:
        """Cancel the refresh if it is open; a call that is under way is not undone."""
        CancelRefresh(self.tickets, self.now).cancel(company_id, product, f"cancelled by {by}")
        return self.show(company_id, product)

    def _custom(self, product: str) -> Product:
        known = registered(self.registry.products(), product)
        if known.kind is not ProductKind.CUSTOM:
            raise Conflict(
                f"{product} is a standard product. Codat reads it by itself and refreshes custom"
                " products only."
            )
        return known

    def _linked(self, company_id: str) -> None:
        if not known_company(self.companies, company_id).linked:
            raise Conflict(
                "The company has no linked connection, so Codat has nothing to read. Its customer"
                " links one first, with the company's link: `link_url` in the answer to its"
                " creation, or in the Codat Portal."
            )

    def _send(
        self, company_id: str, product: str | None, data_types: tuple[str, ...] | None, by: str
    ) -> Ticket:
        def sent(old: Ticket | None) -> Ticket | None:
            if old is not None and self._on_its_way(old, data_types):
                return None
            wish = self._asked(old, company_id, product, data_types, by)
            return ticket_rules.sent(wish, self.now())

        read = partial(self.tickets.get, company_id, product)
        asked = update(read, sent, self.tickets.put, f"the refresh of company {company_id}")
        if (ticket := asked.after) is None:
            return cast("Ticket", asked.before)  # on its way already
        self.queue.send([RefreshMessage(company_id, product, ticket.generation)])
        logger.info("refresh asked for", company_id=company_id, product=product, by=by)
        return ticket

    def _on_its_way(self, ticket: Ticket, data_types: tuple[str, ...] | None) -> bool:
        """Tell whether the wish is served already, by a message that was sent for a person.

        A message for a schedule does not count: it may have to wait for the reserve.
        """
        for_person = ticket.status is TicketStatus.SENT and ticket.requested_by is not None
        return for_person and _covers(ticket, data_types) and self.now() < ticket.deadline

    def _asked(
        self,
        old: Ticket | None,
        company_id: str,
        product: str | None,
        data_types: tuple[str, ...] | None,
        by: str,
    ) -> Ticket:
        """Return the open ticket with this wish added, or a new ticket."""
        now = self.now()
        if old is not None and old.open and now < old.deadline:
            wanted = _union(old, data_types)
            # Codat refuses a key that comes with another body (docs/codat.md, C17).
            key = old.key if wanted == old.data_types else None
            deadline = now + LONGEST
            return replace(old, requested_by=by, data_types=wanted, key=key, deadline=deadline)
        return Ticket(
            company_id=company_id,
            product=product,
            opened_at=now,
            due_at=now,
            deadline=now + LONGEST,
            slot=old.slot if old else None,  # the slot that was served last stays served
            requested_by=by,
            data_types=data_types,
            generation=old.generation if old else 0,
        )


def _covers(ticket: Ticket, data_types: tuple[str, ...] | None) -> bool:
    if ticket.data_types is None:
        return True
    return data_types is not None and set(data_types) <= set(ticket.data_types)


def _union(ticket: Ticket, data_types: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if ticket.data_types is None or data_types is None:
        return None
    return tuple(dict.fromkeys((*ticket.data_types, *data_types)))


def _refuse_others(data_types: tuple[str, ...] | None, allowed: Iterable[str], what: str) -> None:
    known = list(allowed)
    problems = [
        Problem(f"data_types[{place}]", f"is none of the {what}", data_type, ", ".join(known))
        for place, data_type in enumerate(data_types or ())
        if data_type not in known
    ]
    if data_types is not None and not data_types:
        problems = [Problem("data_types", "is empty: leave it out to refresh all of them")]
    if problems:
        raise Invalid(*problems)
