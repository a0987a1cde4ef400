"""What people do with refreshes: ask for one now, look at it, cancel it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.companies.domain.assignment import Status as AssignmentStatus
from codat_hub.errors import Absent, Conflict, Invalid, Problem, Unavailable
from codat_hub.products.domain.product import Kind
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import LONGEST, Status, Ticket
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from codat_hub.storage.update import TRIES
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from codat_hub.products.domain.product import Product
    from codat_hub.refresh import ports


class PlanNow(Protocol):
    """Starts the planner for all companies of a product, and does not wait for it."""

    def __call__(self, product: str, at: datetime, by: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RefreshNow:
    """Raises Absent, Conflict, Invalid, Unavailable. `by`: the caller's ARN."""

    tickets: ports.Tickets
    assignments: ports.Assignments
    companies: ports.Companies
    registry: ports.Registry
    queue: ports.Queue
    plan_now: PlanNow
    now: Callable[[], datetime]

    def company(
        self, company_id: str, product: str, data_types: tuple[str, ...] | None, by: str
    ) -> Ticket:
        """Ask for a refresh of one company's product: all of it, or some of its data types."""
        known = self._custom(product)
        _refuse_others(data_types, known.data_types, f"data types of {product}")
        self._linked(company_id)
        assignment, _ = self.assignments.get(company_id, product)
        if assignment.status is not AssignmentStatus.ASSIGNED:
            raise Conflict(
                f"The company does not have {product} (it is {assignment.status.value}): add it"
                f" with PUT /companies/{company_id}/products/{product} first."
            )
        if not assignment.may_be_read(known):
            raise Conflict(
                f"No active consent covers all data types of {product}: record one with"
                f" PUT /companies/{company_id}/consents/{product} first."
            )
        return self._send(company_id, product, data_types, by)

    def client_level(self, company_id: str, data_types: tuple[str, ...] | None, by: str) -> Ticket:
        """By client-level settings: Codat's refresh all, or one call for each data type named."""
        _refuse_others(data_types, DATA_TYPES, "data types that Codat knows")
        self._linked(company_id)
        assigned = [
            one.product
            for one in self.assignments.of_company(company_id)
            if one.status is AssignmentStatus.ASSIGNED
        ]
        if assigned:
            raise Conflict(
                "The company is on product-level settings: refresh its products one by one, with"
                f" POST /companies/{company_id}/products/{{product}}/refresh"
                f" ({', '.join(assigned)})."
            )
        return self._send(company_id, None, data_types, by)

    def all_companies(self, product: str, by: str) -> datetime:
        """Ask for a refresh of every company that has the product; return the run's time."""
        self._custom(product)
        at = self.now().replace(microsecond=0)
        self.plan_now(product, at, by)
        logger.info("refresh of a whole product asked for", product=product, by=by)
        return at

    def show(self, company_id: str, product: str | None) -> Ticket:
        ticket, _ = self.tickets.get(company_id, product)
        if ticket is None:
            raise Absent(f"No refresh was ever asked for: company {company_id}, {_said(product)}.")
        return ticket

    def stop(self, company_id: str, product: str | None, by: str) -> Ticket:
        """Cancel the refresh if it is open; a call that is under way already is not undone."""
        CancelRefresh(self.tickets, self.now).cancel(company_id, product, f"cancelled by {by}")
        return self.show(company_id, product)

    def _custom(self, product: str) -> Product:
        known = self.registry.products().get(product)
        if known is None:
            raise Absent(f"No product {product} is registered; GET /products lists them.")
        if known.kind is not Kind.CUSTOM:
            raise Conflict(
                f"{product} is a standard product: Codat's refresh methods serve custom products"
                " only, it reads a standard one by itself."
            )
        return known

    def _linked(self, company_id: str) -> None:
        company, version = self.companies.get(company_id)
        if not version:
            raise Absent(f"No company {company_id} is known.")
        if not company.linked:
            raise Conflict(
                "The company has no linked connection, so Codat has nothing to read. Its customer"
                " links one first, by the `link_url` that creating the company answered, or by the"
                " link in the Codat Portal."
            )

    def _send(
        self, company_id: str, product: str | None, data_types: tuple[str, ...] | None, by: str
    ) -> Ticket:
        for _ in range(TRIES):
            old, version = self.tickets.get(company_id, product)
            if old is not None and self._on_its_way(old, data_types):
                return old
            ticket = ticket_rules.sent(
                self._asked(old, company_id, product, data_types, by), self.now()
            )
            if self.tickets.put(ticket, version):
                self.queue.send([RefreshMessage(company_id, product, ticket.generation)])
                logger.info("refresh asked for", company_id=company_id, product=product, by=by)
                return ticket
        raise Unavailable(f"{company_id}: others kept changing its ticket")

    def _on_its_way(self, ticket: Ticket, data_types: tuple[str, ...] | None) -> bool:
        """A schedule's is not: it may have to wait its turn, or for a quota kept for people."""
        persons = ticket.status is Status.SENT and ticket.requested_by is not None
        return persons and _covers(ticket, data_types) and self.now() < ticket.deadline

    def _asked(
        self,
        old: Ticket | None,
        company_id: str,
        product: str | None,
        data_types: tuple[str, ...] | None,
        by: str,
    ) -> Ticket:
        """The open ticket, hurried and widened, or a new one."""
        now = self.now()
        if old is not None and old.open and now < old.deadline:
            wanted = _union(old, data_types)
            # Codat refuses a key that comes with another body than the first time
            key = old.key if wanted == old.data_types else None
            deadline = now + LONGEST
            return replace(old, requested_by=by, data_types=wanted, key=key, deadline=deadline)
        return Ticket(
            company_id=company_id,
            product=product,
            opened_at=now,
            due_at=now,
            deadline=now + LONGEST,
            # the slot that was served last stays served
            slot=old.slot if old else None,
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
        Problem(f"data_types[{place}]", f"is none of the {what}", one, ", ".join(known))
        for place, one in enumerate(data_types or ())
        if one not in known
    ]
    if data_types is not None and not data_types:
        problems = [Problem("data_types", "is empty: leave it out to refresh all of them")]
    if problems:
        raise Invalid(*problems)


def _said(product: str | None) -> str:
    return "by client-level settings" if product is None else f"product {product}"
