"""Make a refresh's call to Codat, once for each key.

The key is on the ticket before the call leaves. If the worker dies then, the next message repeats
the call with the same key, and Codat repeats its first answer (docs/codat.md, C16).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from codat_hub.codat.domain.idempotency import KeyPlan, plan_key
from codat_hub.codat.errors import (
    CallFailed,
    Forbidden,
    RateLimited,
    TryLater,
    Unauthorized,
    WrongClient,
)
from codat_hub.refresh.domain import ticket as ticket_rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.codat.domain.quota import Quota
    from codat_hub.product_events.ports import ReadStates
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.refresh.ports import Answered, RefreshCalls, Tickets


class NotCalled(Enum):
    """Why no call was made."""

    ALREADY_READ = auto()  # a read shows that an earlier call was accepted
    STALE = auto()  # another process changed the ticket


@dataclass(frozen=True, slots=True)
class RefreshCall:
    """A call and its outcome: `failure` None is a 2xx; with WrongClient no call was made.

    ticket: as it was written before the call
    """

    ticket: Ticket
    plan: KeyPlan
    failure: CallFailed | WrongClient | None
    quota: Quota | None = None


@dataclass(frozen=True, slots=True)
class MakeCall:
    """Raises Unavailable and Unreadable.

    check_client: raises WrongClient if the API key is of another Codat client, or CallFailed
    new_id: returns a new idempotency key
    """

    tickets: Tickets
    read_states: ReadStates
    codat: RefreshCalls
    check_client: Callable[[], None]
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def __call__(self, ticket: Ticket, version: int) -> RefreshCall | NotCalled:
        """Write the key over this version of the ticket, then call Codat with it."""
        now = self.now()
        plan = plan_key(ticket.key, now, self.new_id)
        if plan.unresolved_since is not None and self.was_read(ticket, plan.unresolved_since):
            return NotCalled.ALREADY_READ
        calling = ticket_rules.called(ticket, plan.key, now)
        if not self.tickets.put(calling, version):
            return NotCalled.STALE
        try:
            self._check_client()
            answered = self._call(calling, plan.value)
        except WrongClient as wrong:
            return RefreshCall(calling, plan, wrong)
        except CallFailed as failure:
            if isinstance(failure, Unauthorized):
                self.codat.forget_key()  # a new key counts at once
            return RefreshCall(calling, plan, failure, failure.quota)
        return RefreshCall(calling, plan, None, answered.quota)

    def was_read(self, ticket: Ticket, since: datetime) -> bool:
        """Tell whether a read has ended since then: it shows that a call was accepted."""
        state, _ = self.read_states.get(ticket.company_id, ticket.product)
        return state.last_read_at is not None and state.last_read_at >= since

    def _check_client(self) -> None:
        """Raise WrongClient or a failure that concerns all refreshes, never this company alone."""
        try:
            self.check_client()
        except (Unauthorized, Forbidden):
            raise
        except CallFailed as failure:
            if isinstance(failure, RateLimited) and not failure.held_back:
                raise
            why = f"the client could not be checked: {failure}"
            raise TryLater(why, edge=failure.edge) from failure

    def _call(self, ticket: Ticket, key: str) -> Answered:
        company_id = ticket.company_id
        if ticket.product is not None:
            return self.codat.refresh_product(
                company_id, ticket.product, ticket.data_types, idempotency_key=key
            )
        if ticket.data_types:
            return self.codat.refresh_data_type(
                company_id, ticket.data_types[0], idempotency_key=key
            )
        return self.codat.refresh_all(company_id, idempotency_key=key)
