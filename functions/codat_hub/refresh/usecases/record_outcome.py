"""Record the outcome of a refresh's call: limiter, assignment, ticket, lease, and a wake-up.

The limiter comes first, because all other calls depend on it. The ticket comes before the lease, so
that no wake-up is lost (wake_company.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.codat.domain.idempotency import key_after
from codat_hub.codat.errors import NotFound, WrongClient
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import call_outcome
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.codat.domain.idempotency import HeldKey
    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.ports import Assignments
    from codat_hub.rate_limiting.domain.breaker import Cause
    from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter
    from codat_hub.rate_limiting.ports import RateLimiters
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.refresh.ports import Tickets
    from codat_hub.refresh.usecases.make_call import RefreshCall
    from codat_hub.refresh.usecases.take_turn import TakeTurn, Turn
    from codat_hub.refresh.usecases.wake_company import WakeCompany


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What became of one message, to be counted.

    outcome: a kind of call_outcome.py when a call was made; else stale, lease, pace, breaker,
    rate_limit, reserve, cancelled, already_read, or the status that the deadline closed it with
    opened: what opened the client-wide breaker just now
    woken: a ticket was sent at once
    """

    outcome: str
    ticket: Ticket | None = None
    called: bool = False
    opened: Cause | None = None
    woken: bool = False


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """Raises Unavailable and Unreadable.

    was_read: tells whether a read for the ticket has ended since a time
    chance: draws evenly from 0 to 1
    announced: read events wake tickets; False only to compare with backoff alone
    """

    tickets: Tickets
    limiters: RateLimiters
    assignments: Assignments
    take_turn: TakeTurn
    wake: WakeCompany
    was_read: Callable[[Ticket, datetime], bool]
    now: Callable[[], datetime]
    chance: Callable[[], float]
    announced: bool = True

    def __call__(self, call: RefreshCall, turn: Turn) -> RefreshReport:
        """Record the call, which was made in this turn, and end the turn."""
        ticket, failure = call.ticket, call.failure
        if isinstance(failure, WrongClient):
            return self._not_called(call, failure, turn)
        learned = self._learned(call, turn.limiter) is not None
        opened = self._tell_limiter(call) if learned else None
        if isinstance(failure, NotFound):
            self._mark_stale(ticket)
        row = call_outcome.row(failure)
        logger.info(
            "refresh called",
            company_id=ticket.company_id,
            product=ticket.product,
            outcome=row.kind,
            attempt=ticket.attempts,
        )
        key, now = key_after(call.plan, failure), self.now()
        after = self._write(
            ticket,
            lambda current: call_outcome.after_call(
                current, failure, key, now, self.chance(), announced=self.announced
            ),
        )
        if after is None:
            self._forget_spent_key(call, key)
        woken = self._end_turn(call, turn, row, after)
        return RefreshReport(row.kind, after, called=True, opened=opened, woken=woken)

    def _not_called(self, call: RefreshCall, wrong: WrongClient, turn: Turn) -> RefreshReport:
        """Stop all refreshes until the API key is of the right client; this one was not called."""
        opened = self._tell_limiter(call)
        now = self.now()
        uncalled = replace(call.ticket, key=call.plan.before, attempts=call.ticket.attempts - 1)
        why = Failure("wrong_client", str(wrong))

        def kept_back(ticket: Ticket) -> Ticket:
            return ticket_rules.kept_back(replace(ticket, failure=why), Waits.BREAKER, now)

        after = self._write(uncalled, kept_back)
        self.take_turn.give_back(uncalled, turn.lease)
        woken = self.wake.wake_next(uncalled.company_id) is not None
        return RefreshReport("wrong_client", after, opened=opened, woken=woken)

    def _learned(self, call: RefreshCall, limiter: RateLimiter) -> RateLimiter | None:
        """Return the limiter with what other calls learn from this one; None: nothing."""
        now, ticket = self.now(), call.ticket
        breaker = limiter.breaker.after(call.failure, ticket.company_id, _left_at(ticket), now)
        after = replace(limiter.noting(call.quota, now), breaker=breaker)
        return None if after == limiter else after

    def _tell_limiter(self, call: RefreshCall) -> Cause | None:
        """Write what other calls learn; return why the breaker opened, if it did just now."""
        learned = partial(self._learned, call)
        written = update(self.limiters.get, learned, self.limiters.put, "the rate limiter")
        breaker = (written.after or written.before).breaker
        if breaker.cause in {None, written.before.breaker.cause}:
            return None
        logger.error("breaker opened", cause=str(breaker.cause), probe_at=str(breaker.probe_at))
        return breaker.cause

    def _mark_stale(self, ticket: Ticket) -> None:
        """Mark the assignment stale after a 404; reconcile finds out what is gone."""
        company_id, product = ticket.company_id, ticket.product
        if product is None:
            return

        def stale(assignment: Assignment) -> Assignment | None:
            if assignment.status is not AssignmentStatus.ASSIGNED:
                return None
            return replace(
                assignment,
                status=AssignmentStatus.STALE,
                changed_at=self.now(),
                changed_by="refresh_product",
            )

        read = partial(self.assignments.get, company_id, product)
        update(read, stale, self.assignments.put, f"{product} of company {company_id}")

    def _write(self, called: Ticket, change: Callable[[Ticket], Ticket]) -> Ticket | None:
        """Change the ticket, whatever its version, while it is still of this call.

        Return it as written; None: it was cancelled, or the next slot has replaced it.
        """

        def changed(current: Ticket | None) -> Ticket | None:
            if current is None or not current.is_current(called.generation):
                return None
            return change(replace(current, key=called.key, attempts=called.attempts))

        read = partial(self.tickets.get, called.company_id, called.product)
        what = f"the refresh of company {called.company_id}"
        return update(read, changed, self.tickets.put, what).after

    def _forget_spent_key(self, call: RefreshCall, key: HeldKey | None) -> None:
        """Take the call's key off a ticket that was sent again meanwhile: it replays this answer.

        After a success it stays, because then the replayed answer is the right one.
        """
        if call.failure is None or (key is not None and key.value is not None):
            return

        def without_key(current: Ticket | None) -> Ticket | None:
            held = current.key if current is not None and current.open else None
            if current is None or held is None or held.value != call.plan.value:
                return None
            return replace(current, key=key)

        company_id, product = call.ticket.company_id, call.ticket.product
        read = partial(self.tickets.get, company_id, product)
        what = f"the refresh of company {company_id}"
        update(read, without_key, self.tickets.put, what)

    def _end_turn(
        self, call: RefreshCall, turn: Turn, row: call_outcome.Row, after: Ticket | None
    ) -> bool:
        """Give the lease back unless a read may follow; tell whether a ticket was sent at once."""
        company_id, product = call.ticket.company_id, call.ticket.product
        if row.read_follows:
            if call.failure is None and self._read_before_answer(call):
                # The event of the read that ends this ticket has passed, so do its work here.
                return self.wake(company_id, product, self.now()).woken
            return False
        untouched = self.take_turn.give_back(call.ticket, turn.lease)
        if after is not None and after.status is TicketStatus.BUSY:
            # Untouched, the read that Codat names is still running, and its event wakes the next.
            return not untouched and self.wake.wake(company_id, product)
        return self.wake.wake_next(company_id) is not None

    def _read_before_answer(self, call: RefreshCall) -> bool:
        """Tell whether an earlier call with this key began a read that has ended already."""
        since = call.plan.key.open_since
        repeated = since is not None and since < _left_at(call.ticket)
        return since is not None and repeated and self.was_read(call.ticket, since)


def _left_at(ticket: Ticket) -> datetime:
    return ticket.called_at or ticket.opened_at
