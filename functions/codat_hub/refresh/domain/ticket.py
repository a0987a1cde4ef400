"""A ticket stands for one refresh.

It makes no more calls once Codat accepts it or it is closed with a reason.
A pair of company and product has one ticket at most. A ticket is the timer of its own calls:
`due_at` says when the dispatcher looks at it again. Its `generation` counts the messages sent for
it, and only the newest message may make a call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from codat_hub.rate_limiting.domain.waits import Waits

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.codat.domain.idempotency import HeldKey

LONGEST: Final = timedelta(hours=14)  # Codat retries a failed fetch for 12 h (docs/codat.md, C22)
LOST_AFTER: Final = timedelta(minutes=10)  # a message without an outcome by then is sent again
# Our clock says when a call left, Codat's when a read ended.
SKEW: Final = timedelta(minutes=1)


class TicketStatus(StrEnum):
    """The first three are open; `rate_limited` and `still_syncing` say why the deadline passed."""

    QUEUED = "queued"
    SENT = "sent"
    BUSY = "busy"
    ACCEPTED = "accepted"
    COMPLETED = "completed"  # by Codat's read-completed event
    STILL_SYNCING = "still_syncing"
    RATE_LIMITED = "rate_limited"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN: Final = frozenset({TicketStatus.QUEUED, TicketStatus.SENT, TicketStatus.BUSY})


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of a ticket.

    kind: from the table in call_outcome.py. Without a call: `wrong_client`, `cancelled`, or at the
    deadline (`expired`) `breaker_open` or `never_called`
    """

    kind: str
    text: str = ""
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One refresh of a company's product; times are aware.

    product: None for a refresh by client-level settings, then `data_types` are called one by one
    slot: the scheduled time it stands for; None when only a person asked
    requested_by: the ARN of that person
    data_types: None for all of the product
    attempts: calls made; backoffs: how many of them lengthen the next wait
    called_at: when the last call left; accepted_at: when Codat accepted one
    waits_for: what keeps it back, until it is sent
    """

    company_id: str
    product: str | None
    opened_at: datetime
    due_at: datetime
    deadline: datetime
    status: TicketStatus = TicketStatus.QUEUED
    slot: datetime | None = None
    requested_by: str | None = None
    data_types: tuple[str, ...] | None = None
    generation: int = 0
    attempts: int = 0
    backoffs: int = 0
    key: HeldKey | None = None
    called_at: datetime | None = None
    accepted_at: datetime | None = None
    waits_for: Waits | None = None
    failure: Failure | None = None

    @property
    def open(self) -> bool:
        """Tell whether it may still lead to a call."""
        return self.status in OPEN

    @property
    def awaits_a_read(self) -> bool:
        """Tell whether this ticket waits for the end of a read of its company."""
        unknown = self.failure is not None and self.failure.kind == "outcome_unknown"
        waiting = self.waits_for is Waits.LEASE or (unknown and self.waits_for is None)
        return self.status is TicketStatus.BUSY or (self.status is TicketStatus.QUEUED and waiting)

    def is_current(self, generation: int) -> bool:
        """Tell whether a message of this generation may still make a call."""
        return self.status is TicketStatus.SENT and self.generation == generation


def sent(ticket: Ticket, now: datetime, delay: timedelta = timedelta()) -> Ticket:
    """Return the ticket with a new message sent for it; older messages are stale from now on."""
    return replace(
        ticket,
        status=TicketStatus.SENT,
        generation=ticket.generation + 1,
        due_at=now + delay + LOST_AFTER,
        waits_for=None,
    )


def called(ticket: Ticket, key: HeldKey, now: datetime) -> Ticket:
    """Return the ticket of which a call is about to leave with this key."""
    return replace(ticket, key=key, called_at=now, attempts=ticket.attempts + 1)


def accepted(ticket: Ticket, now: datetime) -> Ticket:
    """Return the ticket after Codat accepted its call."""
    return replace(
        ticket,
        status=TicketStatus.ACCEPTED,
        accepted_at=now,
        key=None,
        failure=None,
        waits_for=None,
    )


def kept_back(ticket: Ticket, waits_for: Waits, until: datetime) -> Ticket:
    """Return the ticket without a call, due again at `until` or at its deadline, if sooner."""
    due_at = min(until, ticket.deadline)
    return replace(ticket, status=TicketStatus.QUEUED, due_at=due_at, waits_for=waits_for)


def backed_off(
    ticket: Ticket, status: TicketStatus, failure: Failure, key: HeldKey | None, due_at: datetime
) -> Ticket:
    """Return the ticket that is asked for again at `due_at`, one backoff step later."""
    return replace(
        ticket,
        status=status,
        backoffs=ticket.backoffs + 1,
        key=key,
        failure=failure,
        waits_for=None,
        due_at=min(due_at, ticket.deadline),
    )


def closed(ticket: Ticket, status: TicketStatus, failure: Failure | None, now: datetime) -> Ticket:
    """Return the ticket with no more calls to come."""
    return replace(ticket, status=status, failure=failure, due_at=now, key=None, waits_for=None)


def expired(ticket: Ticket, now: datetime, blocked_by: Waits | None = None) -> Ticket:
    """Return the ticket closed at its deadline, by the last thing that it waited for.

    blocked_by: what keeps all refreshes back now, and so also a ticket that was never sent
    """
    if ticket.status is TicketStatus.QUEUED and ticket.waits_for is None:
        ticket = replace(ticket, waits_for=blocked_by)
    quota = ticket.waits_for in {Waits.RATE_LIMIT, Waits.RESERVE, Waits.PACE}
    if quota or (ticket.failure is not None and ticket.failure.kind == "rate_limited"):
        return closed(ticket, TicketStatus.RATE_LIMITED, ticket.failure, now)
    if ticket.status is TicketStatus.BUSY or ticket.waits_for is Waits.LEASE or _was_busy(ticket):
        return closed(ticket, TicketStatus.STILL_SYNCING, ticket.failure, now)
    kind = "breaker_open" if ticket.waits_for is Waits.BREAKER else "never_called"
    return closed(ticket, TicketStatus.FAILED, ticket.failure or Failure(kind), now)


def _was_busy(ticket: Ticket) -> bool:
    return ticket.failure is not None and ticket.failure.kind == "busy"


def lost_its_turn(ticket: Ticket, generation: int) -> bool:
    """Tell whether a message finds its ticket closed or replaced before it could be called."""
    if ticket.generation != generation or ticket.open:
        replaced = ticket.status is TicketStatus.QUEUED and not ticket.attempts
        return ticket.generation == generation and replaced
    return ticket.status not in {TicketStatus.ACCEPTED, TicketStatus.COMPLETED}


def completed(ticket: Ticket, product: str | None, at: datetime) -> Ticket:
    """Return the ticket after a read of `product` ended at `at`: completed if it was its read."""
    called_at = ticket.called_at
    if ticket.status is not TicketStatus.ACCEPTED or ticket.product != product or called_at is None:
        return ticket
    return replace(ticket, status=TicketStatus.COMPLETED) if at >= called_at - SKEW else ticket


def longest_waiting(tickets: list[Ticket]) -> Ticket | None:
    """Return the oldest of the tickets that wait for the end of a read of their company."""
    waiting = [ticket for ticket in tickets if ticket.awaits_a_read]
    return min(waiting, key=lambda ticket: (ticket.opened_at, ticket.product or ""), default=None)
