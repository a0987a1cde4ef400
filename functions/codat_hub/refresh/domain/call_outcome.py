"""What Codat's answer to a refresh means for its ticket, row by row (docs/codat.md, C4).

Two more things depend on the failure: the next idempotency key (idempotency.py), and whether all
refreshes stop (breaker.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from codat_hub.codat import errors
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import backoff
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.ticket import Failure, TicketStatus

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.codat.domain.idempotency import HeldKey
    from codat_hub.refresh.domain.ticket import Ticket


class Then(Enum):
    """What happens to the ticket next."""

    ACCEPTED = auto()
    BACK_OFF = auto()
    WAIT_FOR_ALL = auto()  # the ticket is fine: the client-wide breaker decides
    FAIL = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. `kind` is its name in tickets, metrics and logs.

    read_follows: Codat may have started our read; the company's lease is kept
    """

    kind: str
    then: Then
    status: TicketStatus = TicketStatus.QUEUED
    read_follows: bool = False


# The first class that a failure is an instance of decides.
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
    """Return the row for the outcome of a call; failure None: Codat accepted it."""
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
    """Return the ticket after its call (failure None: accepted).

    key: what the ticket holds for the next call
    chance: drawn evenly from 0 to 1, for the length of the wait
    announced: whether an event wakes the ticket when the read ends
    """
    outcome = row(failure)
    if failure is None:
        return _accepted(ticket, now)
    failed = Failure(outcome.kind, failure.error, failure.correlation_id)
    match outcome.then:
        case Then.BACK_OFF:
            skipped = backoff.ANNOUNCED if announced and outcome.status is TicketStatus.BUSY else 0
            wait = backoff.wait(ticket.backoffs + 1 + skipped, chance)
            return ticket_rules.backed_off(ticket, outcome.status, failed, key, now + wait)
        case Then.WAIT_FOR_ALL:
            limited = isinstance(failure, errors.RateLimited)
            waits_for = Waits.RATE_LIMIT if limited else Waits.BREAKER
            # Due at once: the open breaker keeps it back for as long as it is open.
            return ticket_rules.kept_back(replace(ticket, key=key, failure=failed), waits_for, now)
        case _:
            return ticket_rules.closed(ticket, TicketStatus.FAILED, failed, now)


def _accepted(ticket: Ticket, now: datetime) -> Ticket:
    """Return the accepted ticket; by client-level settings the next data type is due now."""
    rest = (ticket.data_types or ())[1:] if ticket.product is None else ()
    if rest:
        return replace(
            ticket, status=TicketStatus.QUEUED, data_types=rest, key=None, failure=None, due_at=now
        )
    return ticket_rules.accepted(ticket, now)
