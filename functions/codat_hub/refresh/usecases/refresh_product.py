"""Work on one message: one call to Codat at most, and its outcome on the ticket.

The order matters, for the worker may die between any two steps:
the lease, then the gate, then the key on the ticket, the call, what all others learn from it, its
outcome on the ticket, and the lease back. Whatever is left undone comes again ten minutes later
with the same key, so that Codat repeats its first answer instead of reading twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.codat.domain.idempotency import KeyPlan, key_after, plan_key
from codat_hub.codat.errors import (
    CallFailed,
    Forbidden,
    NotFound,
    RateLimited,
    TryLater,
    Unauthorized,
    WrongClient,
)
from codat_hub.companies.domain.assignment import Status as AssignmentStatus
from codat_hub.errors import Unavailable
from codat_hub.products.domain.product import Kind
from codat_hub.rate_limiting.domain.rate_limiter import Wait
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import call_outcome
from codat_hub.refresh.domain import lease as lease_rules
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import Status, Trouble
from codat_hub.storage.found import named
from codat_hub.storage.update import TRIES
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.codat.domain.quota import Quota
    from codat_hub.rate_limiting import ports as limiter_ports
    from codat_hub.rate_limiting.domain.breaker import Cause
    from codat_hub.rate_limiting.domain.rate_limiter import Gate
    from codat_hub.refresh import ports
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.refresh.usecases.wake_company import WakeCompany

STALE: Final = "stale"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one message, to be counted.

    outcome: a kind of call_outcome.py when a call was made; else stale, lease, pace, breaker,
    rate_limit, reserve, cancelled, already_read, or the status a passed deadline closed it with
    opened: what opened the client-wide breaker just now; woken: a ticket was sent at once
    """

    outcome: str
    ticket: Ticket | None = None
    called: bool = False
    opened: Cause | None = None
    woken: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a call: `failure` None is a 2xx."""

    failure: CallFailed | None
    quota: Quota | None


@dataclass(frozen=True, slots=True)
class RefreshProduct:
    """Raises Unavailable when a store of ours fails, Unreadable when one of the items cannot be

    read: the message then comes again.
    """

    tickets: ports.Tickets
    leases: ports.Leases
    gates: limiter_ports.Gates
    rate_limits: limiter_ports.RateLimits
    registry: ports.Registry
    assignments: ports.Assignments
    read_states: ports.ReadStates
    queue: ports.Queue
    codat: ports.Codat
    check_client: Callable[[], None]
    wake: WakeCompany
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    chance: Callable[[], float]
    announced: bool = True  # read events wake tickets; False only to compare with backoff alone

    def __call__(self, message: RefreshMessage) -> Result:
        ticket, version = self.tickets.get(message.company_id, message.product)
        if ticket is None or not ticket.is_current(message.generation):
            return Result(STALE)
        now = self.now()
        if now >= ticket.deadline:
            done = ticket_rules.expired(ticket, now)
            return self._written(done.status.value, done, version)
        if (reason := self._not_allowed(ticket)) is not None:
            logger.info(
                "refresh cancelled",
                company_id=ticket.company_id,
                product=ticket.product,
                reason=reason,
            )
            done = ticket_rules.closed(ticket, Status.CANCELLED, Trouble("cancelled", reason), now)
            return self._written("cancelled", done, version)
        if (wait := self._closed_gate(ticket)) is not None:
            return self._keep_back(ticket, version, wait)
        return self._with_lease(ticket, version)

    def _not_allowed(self, ticket: Ticket) -> str | None:
        """Why this refresh may not happen any more; asked right before the call, every time."""
        if ticket.product is None:
            assigned = self.assignments.of_company(ticket.company_id)
            if any(one.status is AssignmentStatus.ASSIGNED for one in assigned):
                return "the company is on product-level settings now"
            return None
        product = named(self.registry.products(), ticket.product)
        if product is None or product.kind is not Kind.CUSTOM:
            return "the product is not registered as a custom product any more"
        if ticket.requested_by is None and not (product.schedule and product.schedule.enabled):
            return "the product's schedule was disabled"
        assignment, _ = self.assignments.get(ticket.company_id, ticket.product)
        if not assignment.may_be_read(product):
            return "the company has the product no more, or no active consent for all of it"
        return None

    def _closed_gate(self, ticket: Ticket) -> Wait | None:
        gate, _ = self.gates.get()
        notice, _ = self.rate_limits.get()
        return gate.wait(self.now(), notice, by_person=ticket.requested_by is not None)

    def _keep_back(self, ticket: Ticket, version: int, wait: Wait) -> Result:
        barred = wait.waits_for in {Waits.BREAKER, Waits.RATE_LIMIT}
        # the dispatcher sends nothing past an open breaker, and everything once it closes, be that
        # early; so such a ticket stays due
        until = self.now() if barred else wait.until
        kept = ticket_rules.kept_back(ticket, wait.waits_for, until)
        return self._written(wait.waits_for.value, kept, version)

    def _written(self, outcome: str, ticket: Ticket, version: int) -> Result:
        """Who changed the ticket meanwhile knows better: then the message is stale."""
        written = self.tickets.put(ticket, version)
        return Result(outcome, ticket) if written else Result(STALE)

    def _with_lease(self, ticket: Ticket, version: int) -> Result:
        company_id, product = ticket.company_id, ticket.product
        for _ in range(TRIES):
            lease, lease_version = self.leases.get(company_id, product)
            now = self.now()
            if (until := lease.kept_from(product, now)) is not None:
                return self._wait_for_lease(ticket, version, until)
            taken = lease_rules.taken(lease, product, now)
            if self.leases.put(company_id, product, taken, lease_version):
                held = HeldLease(taken, lease_version + 1, lease_rules.untaken(lease, now))
                return self._through_gate(ticket, version, held)
        raise Unavailable(f"{company_id}: others kept changing its lease")

    def _wait_for_lease(self, ticket: Ticket, version: int, until: datetime) -> Result:
        result = self._keep_back(ticket, version, Wait(Waits.LEASE, until))
        lease, _ = self.leases.get(ticket.company_id, ticket.product)
        if lease.kept_from(ticket.product, self.now()) is None:  # it ended before we wrote
            return replace(result, woken=self._send_again(ticket))
        return result

    def _through_gate(self, ticket: Ticket, version: int, lease: HeldLease) -> Result:
        passed = self._pass_gate(ticket)
        if isinstance(passed, Wait):
            self._give_back(ticket, lease, called=False)
            return self._keep_back(ticket, version, passed)
        now = self.now()
        plan = plan_key(ticket.key, now, self.new_id)
        if plan.unresolved_since is not None and self._was_read(ticket, plan.unresolved_since):
            done = call_outcome.after_call(ticket, None, None, now, 0)
            if not done.open:
                done = replace(done, status=Status.COMPLETED)
            self._give_back(ticket, lease)
            return self._written("already_read", done, version)
        calling = ticket_rules.called(ticket, plan.key, now)
        if not self.tickets.put(calling, version):  # cancelled, or this message came twice
            self._give_back(ticket, lease, called=False)
            return Result(STALE)
        return self._call(calling, plan, passed, lease)

    def _pass_gate(self, ticket: Ticket) -> Gate | Wait:
        for _ in range(TRIES):
            gate, version = self.gates.get()
            notice, _ = self.rate_limits.get()
            now = self.now()
            wait = gate.wait(now, notice, by_person=ticket.requested_by is not None)
            if wait is not None:
                return wait
            passed = gate.passed(now, notice)
            if self.gates.put(passed, version):
                return passed
        raise Unavailable("others kept changing the gate")

    def _was_read(self, ticket: Ticket, since: datetime) -> bool:
        """An earlier call's answer was lost: has a read ended since that shows it was accepted?"""
        state, _ = self.read_states.get(ticket.company_id, ticket.product)
        return state.last_read_at is not None and state.last_read_at >= since

    def _read_before_answer(self, ticket: Ticket, plan: KeyPlan) -> bool:
        """An earlier call's answer came only now: has the read that it began ended meanwhile?"""
        since = plan.key.open_since
        repeated = since is not None and since < _left_at(ticket)
        return since is not None and repeated and self._was_read(ticket, since)

    def _call(self, ticket: Ticket, plan: KeyPlan, gate: Gate, lease: HeldLease) -> Result:
        try:
            answer = self._answer(ticket, plan.value)
        except WrongClient as wrong:
            return self._wrong_client(ticket, plan, wrong, lease)
        failure = answer.failure
        opened = self._tell_all(ticket, gate, answer)
        if isinstance(failure, NotFound):
            self._mark_stale(ticket)
        key, now = key_after(plan, failure), self.now()
        row = call_outcome.row(failure)
        logger.info(
            "refresh called",
            company_id=ticket.company_id,
            product=ticket.product,
            outcome=row.kind,
            attempt=ticket.attempts,
        )
        after = self._write_outcome(
            ticket,
            lambda one: call_outcome.after_call(
                one, failure, key, now, self.chance(), announced=self.announced
            ),
        )
        woken = False
        if not row.read_follows and not self._give_back(ticket, lease) and after is not None:
            woken = after.status is Status.BUSY and self._send_again(after)
        elif after is not None and not after.open and not row.read_follows:
            woken = self.wake.wake_next(ticket.company_id) is not None
        elif failure is None and self._read_before_answer(ticket, plan):
            # the event that ends this read is over: nobody else would do what it would have
            woken = self.wake(ticket.company_id, ticket.product, self.now()).woken
        return Result(row.kind, after, called=True, opened=opened, woken=woken)

    def _answer(self, ticket: Ticket, key: str) -> Answer:
        try:
            self._check_client()
            if ticket.product is not None:
                answered = self.codat.refresh_product(
                    ticket.company_id, ticket.product, ticket.data_types, idempotency_key=key
                )
            elif ticket.data_types:
                answered = self.codat.refresh_data_type(
                    ticket.company_id, ticket.data_types[0], idempotency_key=key
                )
            else:
                answered = self.codat.refresh_all(ticket.company_id, idempotency_key=key)
        except CallFailed as failure:
            if isinstance(failure, Unauthorized):
                self.codat.forget_key()
            return Answer(failure, failure.quota)
        return Answer(None, answered.quota)

    def _check_client(self) -> None:
        """Raises WrongClient, or what all refreshes would meet now; never this company's fault."""
        try:
            self.check_client()
        except (Unauthorized, RateLimited, Forbidden):
            raise
        except CallFailed as failure:
            raise TryLater(f"the client could not be checked: {failure}") from failure

    def _wrong_client(
        self, ticket: Ticket, plan: KeyPlan, wrong: WrongClient, lease: HeldLease
    ) -> Result:
        """Nothing was called: all refreshes stop until the key is of the right client."""
        opened = self._change_gate(ticket, wrong, None)
        back = replace(ticket, key=plan.before, attempts=ticket.attempts - 1)
        now = self.now()
        after = self._write_outcome(
            back, lambda one: ticket_rules.kept_back(one, Waits.BREAKER, now)
        )
        self._give_back(ticket, lease)
        return Result("wrong_client", after, opened=opened)

    def _tell_all(self, ticket: Ticket, gate: Gate, answer: Answer) -> Cause | None:
        """Write down what other calls learn from this one; mostly that is nothing."""
        now = self.now()
        learned = gate.breaker.after(answer.failure, ticket.company_id, _left_at(ticket), now)
        if learned == gate.breaker and gate.noting(answer.quota, now) == gate:
            return None
        return self._change_gate(ticket, answer.failure, answer.quota)

    def _change_gate(
        self, ticket: Ticket, failure: CallFailed | WrongClient | None, quota: Quota | None
    ) -> Cause | None:
        """Return why the breaker opened, if it did just now."""
        for _ in range(TRIES):
            gate, version = self.gates.get()
            now = self.now()
            breaker = gate.breaker.after(failure, ticket.company_id, _left_at(ticket), now)
            after = replace(gate.noting(quota, now), breaker=breaker)
            if after == gate or self.gates.put(after, version):
                news = breaker.cause if breaker.cause is not gate.breaker.cause else None
                if news is not None:
                    logger.error("breaker opened", cause=news.value, probe_at=str(breaker.probe_at))
                return news
        raise Unavailable("others kept changing the gate")

    def _mark_stale(self, ticket: Ticket) -> None:
        """Codat says the company is gone or has the product not: reconcile finds out which."""
        if ticket.product is None:
            return
        for _ in range(TRIES):
            assignment, version = self.assignments.get(ticket.company_id, ticket.product)
            if assignment.status is not AssignmentStatus.ASSIGNED:
                return
            stale = replace(
                assignment,
                status=AssignmentStatus.STALE,
                changed_at=self.now(),
                changed_by="refresh_product",
            )
            if self.assignments.put(stale, version):
                return
        raise Unavailable(f"{ticket.company_id}: others kept changing its assignment")

    def _write_outcome(self, ticket: Ticket, change: Callable[[Ticket], Ticket]) -> Ticket | None:
        """Write over whatever version is there while the ticket is still this call's."""
        for _ in range(TRIES):
            current, version = self.tickets.get(ticket.company_id, ticket.product)
            if current is None or not current.is_current(ticket.generation):
                return None  # cancelled, or replaced by the next slot's
            after = change(replace(current, key=ticket.key, attempts=ticket.attempts))
            if self.tickets.put(after, version):
                return after
        raise Unavailable(f"{ticket.company_id}: others kept changing its ticket")

    def _give_back(self, ticket: Ticket, lease: HeldLease, *, called: bool = True) -> bool:
        """Tells whether nobody touched the lease meanwhile; a read's end does.

        called: False leaves it to the product's other call, if one was under way before
        """
        back = lease_rules.released(lease.taken) if called else lease.before
        if self.leases.put(ticket.company_id, ticket.product, back, lease.version):
            return True
        self._drop_lease(ticket, lease.taken)
        return False

    def _drop_lease(self, ticket: Ticket, held: lease_rules.Lease) -> None:
        """It was touched: give it back all the same if it is still the one that was taken."""
        for _ in range(TRIES):
            lease, version = self.leases.get(ticket.company_id, ticket.product)
            if (lease.holder, lease.taken_at) != (held.holder, held.taken_at):
                return
            back = lease_rules.released(lease)
            if self.leases.put(ticket.company_id, ticket.product, back, version):
                return
        raise Unavailable(f"{ticket.company_id}: others kept changing its lease")

    def _send_again(self, ticket: Ticket) -> bool:
        """What it waits for has happened meanwhile: send it at once. Tells whether it was."""
        current, version = self.tickets.get(ticket.company_id, ticket.product)
        if current is None or not current.awaits_a_read:
            return False
        sent = ticket_rules.sent(current, self.now())
        if not self.tickets.put(sent, version):
            return False  # somebody else has
        self.queue.send([RefreshMessage(sent.company_id, sent.product, sent.generation)])
        return True


class HeldLease(NamedTuple):
    """A lease as it was taken, with its version since, and as it was before."""

    taken: lease_rules.Lease
    version: int
    before: lease_rules.Lease


def _left_at(ticket: Ticket) -> datetime:
    return ticket.called_at or ticket.opened_at
