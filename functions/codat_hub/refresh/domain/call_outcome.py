"""What Codat's answer to a refresh means for its ticket, row by row (docs/codat.md, C4).

The key for the next call follows from the same failure (idempotency.py), and so does what all other
calls learn from it (breaker.py); here is what becomes of the ticket.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from codat_hub.codat import errors
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import backoff
from codat_hub.refresh.domain import ticket as tickets
from codat_hub.refresh.domain.ticket import Failure, TicketStatus

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.codat.domain.idempotency import HeldKey
    from codat_hub.refresh.domain.ticket import Ticket


class Then(Enum):
    ACCEPTED = auto()
    BACK_OFF = auto()
    WAIT_FOR_ALL = auto()  # nothing is wrong with this one: the client-wide breaker decides
    FAIL = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """`kind` names the row in tickets, metrics and logs.

    read_follows: a read of ours may run at Codat now, so the company's lease is kept.
    """

    kind: str
    then: Then
    status: TicketStatus = TicketStatus.QUEUED
    read_follows: bool = False


# In this order: the first class that a failure is an instance of.
_ROWS: Final[tuple[tuple[type[errors.CallFailed], Row], ...]] = (
    (errors.Busy, Row("busy", Then.BACK_OFF, TicketStatus.BUSY)),
    (errors.RateLimited, Row("rate_limited", Then.WAIT_FOR_ALL)),
    (errors.Unauthorized, Row("unauthorized", Then.WAIT_FOR_ALL)),
    (errors.Forbidden, Row("forbidden", Then.FAIL)),
    (errors.NotFound, Row("not_found", Then.FAIL)),
    (errors.TryLater, Row("unavailable", Then.BACK_OFF)),
    (errors.OutcomeUnknown, Row("outcome_unknown", Then.BACK_OFF, read_follows=True)),
    (errors.NotUnderstood, Row("not_understood", Then.BACK_OFF, read_follows=True)),
    (errors.KeyReused, Row("key_reused", Then.FAIL)),
    (errors.CallFailed, Row("rejected", Then.FAIL)),
)
_ACCEPTED: Final = Row("accepted", Then.ACCEPTED, read_follows=True)


def row(failure: errors.CallFailed | None) -> Row:
    """The row of the table for a call's end; None: a 2xx."""
    if failure is None:
        return _ACCEPTED
    return next(row for kind, row in _ROWS if isinstance(failure, kind))


def after_call(
    ticket: Ticket,
    failure: errors.CallFailed | None,
    key: HeldKey | None,
    now: datetime,
    chance: float,
    *,
    announced: bool = True,
) -> Ticket:
    """The ticket after its call; `key` is what it holds for the next one.

    announced: whether a read's end is told of by an event that wakes the ticket
    """
    met = row(failure)
    if failure is None:
        return _accepted(ticket, now)
    trouble = Failure(met.kind, failure.error, failure.correlation_id)
    match met.then:
        case Then.BACK_OFF:
            skipped = backoff.ANNOUNCED if announced and met.status is TicketStatus.BUSY else 0
            wait = backoff.wait(ticket.backoffs + 1 + skipped, chance)
            return tickets.backed_off(ticket, met.status, trouble, key, now + wait)
        case Then.WAIT_FOR_ALL:
            limited = isinstance(failure, errors.RateLimited)
            waits_for = Waits.RATE_LIMIT if limited else Waits.BREAKER
            # due at once: it is the open breaker that keeps it, for as long as that is open
            return tickets.kept_back(replace(ticket, key=key, trouble=trouble), waits_for, now)
        case _:
            return tickets.closed(ticket, TicketStatus.FAILED, trouble, now)


def _accepted(ticket: Ticket, now: datetime) -> Ticket:
    """By client-level settings each data type is a call of its own: the next one is due now."""
    rest = (ticket.data_types or ())[1:] if ticket.product is None else ()
    if rest:
        return replace(
            ticket, status=TicketStatus.QUEUED, data_types=rest, key=None, trouble=None, due_at=now
        )
    return tickets.accepted(ticket, now)
