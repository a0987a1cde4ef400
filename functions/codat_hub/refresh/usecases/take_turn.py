"""Take a refresh's turn: it holds its company's lease, and the limiter counts its call.

The limiter is looked at first, so that no lease is taken for a refresh that has to wait for it. It
is passed last, so that no call is counted for a refresh that has to wait for the lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter, Wait
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import lease as lease_rules
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.rate_limiting.ports import RateLimiters, RateLimitNotices
    from codat_hub.refresh.domain.lease import Lease
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.refresh.ports import Leases


class HeldLease(NamedTuple):
    """A lease as it was taken, its version since, and what to write back without a call."""

    taken: Lease
    version: int
    without_call: Lease


class Turn(NamedTuple):
    """The lease that the refresh holds, and the limiter as it passed it."""

    lease: HeldLease
    limiter: RateLimiter


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """Raises Unavailable and Unreadable."""

    limiters: RateLimiters
    notices: RateLimitNotices
    leases: Leases
    now: Callable[[], datetime]

    def __call__(self, ticket: Ticket) -> Turn | Wait:
        """Return the turn, or what the refresh has to wait for; then it holds nothing."""
        limiter, _ = self.limiters.get()
        notice, _ = self.notices.get()
        wait = limiter.wait(self.now(), notice, by_person=ticket.requested_by is not None)
        if wait is not None:
            return wait
        lease = self._take_lease(ticket)
        if isinstance(lease, Wait):
            return lease
        passed = self._pass_limiter(ticket)
        if isinstance(passed, Wait):
            self.give_back(ticket, lease, called=False)
            return passed._replace(lease_returned=True)
        return Turn(lease, passed)

    def lease_is_free(self, ticket: Ticket) -> bool:
        """Tell whether this refresh could take the lease now."""
        lease, _ = self.leases.get(ticket.company_id, ticket.product)
        return lease.kept_from(ticket.product, self.now()) is None

    def give_back(self, ticket: Ticket, lease: HeldLease, *, called: bool = True) -> bool:
        """Release the lease, and tell whether it is untouched; the end of a read touches it.

        called: False leaves it to another call of the same product, if one was under way before
        """
        write = partial(self.leases.put, ticket.company_id, ticket.product)
        back = lease_rules.released(lease.taken) if called else lease.without_call
        if write(back, lease.version):
            return True

        def released(current: Lease) -> Lease | None:
            """Release a lease that was touched, if it is still the one that was taken."""
            held = lease.taken
            same = (current.holder, current.taken_at) == (held.holder, held.taken_at)
            return lease_rules.released(current) if same else None

        read = partial(self.leases.get, ticket.company_id, ticket.product)
        update(read, released, write, f"the lease of company {ticket.company_id}")
        return False

    def _take_lease(self, ticket: Ticket) -> HeldLease | Wait:
        company_id, product = ticket.company_id, ticket.product

        def decide() -> tuple[HeldLease | Wait, int]:
            lease, version = self.leases.get(company_id, product)
            now = self.now()
            if (until := lease.kept_from(product, now)) is not None:
                return Wait(Waits.LEASE, until), version
            taken = lease_rules.taken(lease, product, now)
            return HeldLease(taken, version + 1, lease_rules.untaken(lease, now)), version

        return update(
            decide,
            lambda lease: None if isinstance(lease, Wait) else lease.taken,
            lambda taken, version: self.leases.put(company_id, product, taken, version),
            f"the lease of company {company_id}",
        ).before

    def _pass_limiter(self, ticket: Ticket) -> RateLimiter | Wait:
        def decide() -> tuple[RateLimiter | Wait, int]:
            limiter, version = self.limiters.get()
            notice, _ = self.notices.get()
            now = self.now()
            wait = limiter.wait(now, notice, by_person=ticket.requested_by is not None)
            return wait or limiter.passed(now, notice), version

        def passed(decision: RateLimiter | Wait) -> RateLimiter | None:
            return None if isinstance(decision, Wait) else decision

        decided = update(decide, passed, self.limiters.put, "the rate limiter")
        return decided.before
