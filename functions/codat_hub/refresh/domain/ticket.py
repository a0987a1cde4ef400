"""One refresh that is to be asked for, until Codat accepted it or it was closed with a reason.

There is one ticket at most per (company, product), so one open one. A ticket is the timer of its
own calls: `due_at` says when somebody has to look at it again. Its `generation` counts the
messages sent for it: only the newest one may make a call.
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
LOST_AFTER: Final = timedelta(minutes=10)  # what was sent, and brought nothing, is sent again
# Two clocks, ours and Codat's, tell when a call left and when a read ended.
SKEW: Final = timedelta(minutes=1)


class TicketStatus(StrEnum):
    """The first three are open. `rate_limited` and `still_syncing`: the deadline came first."""

    QUEUED = "queued"
    SENT = "sent"
    BUSY = "busy"
    ACCEPTED = "accepted"
    COMPLETED = "completed"  # Codat's read-completed event came
    STILL_SYNCING = "still_syncing"
    RATE_LIMITED = "rate_limited"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN: Final = frozenset({TicketStatus.QUEUED, TicketStatus.SENT, TicketStatus.BUSY})


@dataclass(frozen=True, slots=True)
class Failure:
    """The last thing that went wrong. `kind` is from the table in call_outcome.py."""

    kind: str
    text: str = ""
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """Times are aware. `product` None: by client-level settings, then `data_types` one by one.

    slot: the scheduled time it stands for; None when only a person asked
    requested_by: the ARN of that person
    attempts: calls made; backoffs: how many of them count for the length of the next wait
    called_at: when the last of them left; accepted_at: when Codat accepted one
    data_types: None for all of the product
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
    trouble: Failure | None = None

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def awaits_a_read(self) -> bool:
        """Tell whether the end of a read of its company is what this ticket waits for."""
        unknown = self.trouble is not None and self.trouble.kind == "outcome_unknown"
        waiting = self.waits_for is Waits.LEASE or (unknown and self.waits_for is None)
        return self.status is TicketStatus.BUSY or (self.status is TicketStatus.QUEUED and waiting)

    def is_current(self, generation: int) -> bool:
        """Tell whether a message of that generation may still make a call."""
        return self.status is TicketStatus.SENT and self.generation == generation


def sent(ticket: Ticket, now: datetime, delay: timedelta = timedelta()) -> Ticket:
    """A message leaves for it: whatever was sent before is stale from now on."""
    return replace(
        ticket,
        status=TicketStatus.SENT,
        generation=ticket.generation + 1,
        due_at=now + delay + LOST_AFTER,
        waits_for=None,
    )


def called(ticket: Ticket, key: HeldKey, now: datetime) -> Ticket:
    """A call is about to leave with this key."""
    return replace(ticket, key=key, called_at=now, attempts=ticket.attempts + 1)


def accepted(ticket: Ticket, now: datetime) -> Ticket:
    return replace(
        ticket,
        status=TicketStatus.ACCEPTED,
        accepted_at=now,
        key=None,
        trouble=None,
        waits_for=None,
    )


def kept_back(ticket: Ticket, waits_for: Waits, until: datetime) -> Ticket:
    """Nothing was called: it is due again at `until`, or at its deadline if that is sooner."""
    due_at = min(until, ticket.deadline)
    return replace(ticket, status=TicketStatus.QUEUED, due_at=due_at, waits_for=waits_for)


def backed_off(
    ticket: Ticket, status: TicketStatus, trouble: Failure, key: HeldKey | None, due_at: datetime
) -> Ticket:
    """To be asked for again, one backoff step later."""
    return replace(
        ticket,
        status=status,
        backoffs=ticket.backoffs + 1,
        key=key,
        trouble=trouble,
        waits_for=None,
        due_at=min(due_at, ticket.deadline),
    )


def closed(ticket: Ticket, status: TicketStatus, trouble: Failure | None, now: datetime) -> Ticket:
    return replace(ticket, status=status, trouble=trouble, due_at=now, key=None, waits_for=None)


def expired(ticket: Ticket, now: datetime, blocked_by: Waits | None = None) -> Ticket:
    """Its deadline has come: closed by what it was waiting for at the last.

    blocked_by: what keeps all back now (rate_limiter.py), and so also one that nobody has sent
    """
    if ticket.status is TicketStatus.QUEUED and ticket.waits_for is None:
        ticket = replace(ticket, waits_for=blocked_by)
    quota = ticket.waits_for in {Waits.RATE_LIMIT, Waits.RESERVE, Waits.PACE}
    if quota or (ticket.trouble is not None and ticket.trouble.kind == "rate_limited"):
        return closed(ticket, TicketStatus.RATE_LIMITED, ticket.trouble, now)
    if ticket.status is TicketStatus.BUSY or ticket.waits_for is Waits.LEASE or _was_busy(ticket):
        return closed(ticket, TicketStatus.STILL_SYNCING, ticket.trouble, now)
    kind = "breaker_open" if ticket.waits_for is Waits.BREAKER else "never_called"
    return closed(ticket, TicketStatus.FAILED, ticket.trouble or Failure(kind), now)


def _was_busy(ticket: Ticket) -> bool:
    return ticket.trouble is not None and ticket.trouble.kind == "busy"


def completed(ticket: Ticket, product: str | None, at: datetime) -> Ticket:
    """The read that was accepted has ended, if this event of `product` from `at` tells of it."""
    begun = ticket.called_at
    if ticket.status is not TicketStatus.ACCEPTED or ticket.product != product or begun is None:
        return ticket
    return replace(ticket, status=TicketStatus.COMPLETED) if at >= begun - SKEW else ticket


def most_overdue(tickets: list[Ticket]) -> Ticket | None:
    """Of those that wait for the end of a read of their company, the one that waited longest."""
    waiting = [one for one in tickets if one.awaits_a_read]
    return min(waiting, key=lambda one: (one.opened_at, one.product or ""), default=None)
