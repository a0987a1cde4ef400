"""Work on one message of the refresh queue: one call to Codat at most.

The order of the steps, each of which the worker may die after:

1. Read the ticket. A message of another generation is stale. An expired ticket is closed, and a
   refresh that is not allowed any more is cancelled.
2. Look at the limiter, then take the company's lease, then pass the limiter (take_turn.py).
3. Write the key on the ticket, then call Codat with it (make_call.py).
4. Tell the limiter what all other calls learn, write the outcome on the ticket, then give the
   lease back and wake a waiting ticket (record_outcome.py).

A ticket without an outcome is sent again after LOST_AFTER (10 min). It is called with the same key,
so Codat repeats its first answer and does not read twice. An abandoned lease ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.products.domain.product import ProductKind
from codat_hub.rate_limiting.domain.rate_limiter import Wait
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import call_outcome
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from codat_hub.refresh.usecases.make_call import MakeCall, NotCalled
from codat_hub.refresh.usecases.record_outcome import RecordOutcome, RefreshReport
from codat_hub.storage.found import named
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.companies.ports import Assignments
    from codat_hub.products.ports import Products
    from codat_hub.refresh.domain.refresh_message import RefreshMessage
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.refresh.ports import Tickets
    from codat_hub.refresh.usecases.take_turn import TakeTurn, Turn
    from codat_hub.refresh.usecases.wake_company import WakeCompany

STALE: Final = "stale"
_LOST_RACE: Final = "lost_race"  # another process changed the ticket first


@dataclass(frozen=True, slots=True)
class RefreshProduct:
    """Raises Unavailable, or Unreadable for one of its items: the message then comes again."""

    tickets: Tickets
    registry: Products
    assignments: Assignments
    take_turn: TakeTurn
    make_call: MakeCall
    record_outcome: RecordOutcome
    wake: WakeCompany
    now: Callable[[], datetime]

    def __call__(self, message: RefreshMessage) -> RefreshReport:
        """Work on a message, and return what became of it.

        A lost race is decided anew: the ticket may have changed and yet be of this message. If it
        was called meanwhile, the message came twice at once.
        """
        calls: set[int] = set()

        def work(read: tuple[Ticket | None, int]) -> RefreshReport:
            ticket, version = read
            if ticket is None or not ticket.is_current(message.generation):
                lost = ticket is not None and ticket_rules.lost_its_turn(ticket, message.generation)
                return self._pass_on(RefreshReport(STALE), ticket if lost else None)
            calls.add(ticket.attempts)
            return self._work(ticket, version) if len(calls) == 1 else RefreshReport(STALE)

        worked = update(
            lambda: (self.tickets.get(message.company_id, message.product), None),
            work,
            lambda report, _: report.outcome != _LOST_RACE,
            "the refresh",
        )
        return worked.after or RefreshReport(STALE)

    def _work(self, ticket: Ticket, version: int) -> RefreshReport:
        """Work on a ticket. Nothing is called after another process changed it."""
        now = self.now()
        if now >= ticket.deadline:
            expired = ticket_rules.expired(ticket, now)
            return self._pass_on(self._written(expired.status.value, expired, version), ticket)
        if (reason := self._not_allowed(ticket)) is not None:
            return self._cancel(ticket, version, reason)
        turn = self.take_turn(ticket)
        if isinstance(turn, Wait):
            return self._keep_back(ticket, version, turn)
        return self._call(ticket, version, turn)

    def _not_allowed(self, ticket: Ticket) -> str | None:
        """Return why this refresh may not happen any more, as of now; None: it may."""
        if ticket.product is None:
            assigned = self.assignments.of_company(ticket.company_id)
            if any(assignment.status is AssignmentStatus.ASSIGNED for assignment in assigned):
                return "the company is on product-level settings now"
            return None
        product = named(self.registry.products(), ticket.product)
        if product is None or product.kind is not ProductKind.CUSTOM:
            return "the product is no longer registered as a custom product"
        if ticket.requested_by is None and not (product.schedule and product.schedule.enabled):
            return "the product's schedule was disabled"
        assignment, _ = self.assignments.get(ticket.company_id, ticket.product)
        if not assignment.may_be_read(product):
            return "the company no longer has the product, or no active consent for all of it"
        return None

    def _cancel(self, ticket: Ticket, version: int, reason: str) -> RefreshReport:
        logger.info(
            "refresh cancelled",
            company_id=ticket.company_id,
            product=ticket.product,
            reason=reason,
        )
        failure = Failure("cancelled", reason)
        cancelled = ticket_rules.closed(ticket, TicketStatus.CANCELLED, failure, self.now())
        return self._pass_on(self._written("cancelled", cancelled, version), ticket)

    def _pass_on(self, report: RefreshReport, ticket: Ticket | None) -> RefreshReport:
        """Wake the company's next ticket, if this one had the turn and makes no call.

        While another refresh holds the lease, its end wakes the next one.
        """
        if ticket is None or not self.take_turn.lease_is_free(ticket):
            return report
        woken = self.wake.wake_next(ticket.company_id) is not None
        return replace(report, woken=woken)

    def _keep_back(self, ticket: Ticket, version: int, wait: Wait) -> RefreshReport:
        # The dispatcher sends nothing while the breaker is open, and everything once it closes,
        # which may be early. So a ticket that waits for it stays due.
        blocked = wait.waits_for in {Waits.BREAKER, Waits.RATE_LIMIT}
        until = self.now() if blocked else wait.until
        kept = ticket_rules.kept_back(ticket, wait.waits_for, until)
        report = self._written(wait.waits_for.value, kept, version)
        if wait.waits_for is Waits.LEASE and self.take_turn.lease_is_free(ticket):
            # The lease ended before the ticket was written, so no read event will wake it.
            return replace(report, woken=self.wake.wake(ticket.company_id, ticket.product))
        # Others may have met the lease that this refresh held for a moment.
        return self._pass_on(report, ticket) if wait.lease_returned else report

    def _call(self, ticket: Ticket, version: int, turn: Turn) -> RefreshReport:
        call = self.make_call(ticket, version)
        if call is NotCalled.STALE:
            self.take_turn.give_back(ticket, turn.lease, called=False)
            return RefreshReport(_LOST_RACE)
        if call is NotCalled.ALREADY_READ:
            done = call_outcome.after_call(ticket, None, None, self.now(), 0)
            if not done.open:
                done = replace(done, status=TicketStatus.COMPLETED)
            report = self._written("already_read", done, version)
            self.take_turn.give_back(ticket, turn.lease)
            return self._pass_on(report, ticket)
        return self.record_outcome(call, turn)

    def _written(self, outcome: str, ticket: Ticket, version: int) -> RefreshReport:
        """Write the ticket, unless another process changed it meanwhile."""
        written = self.tickets.put(ticket, version)
        return RefreshReport(outcome, ticket) if written else RefreshReport(_LOST_RACE)
