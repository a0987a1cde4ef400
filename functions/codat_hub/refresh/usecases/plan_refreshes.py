"""Open the tickets of one product's slot, page by page, whoever else was at it before.

Each page ends with the run's cursor written under the version that was read, so two planners of
one run never both go on, and one that died is taken over from where it was. Opening a ticket that
is open already for this slot does nothing, so a page may be done twice.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Unreadable
from codat_hub.products.domain.product import Kind
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_run import Run, jitter, owned
from codat_hub.refresh.domain.ticket import LONGEST, Ticket
from codat_hub.storage.found import named
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Protocol

    from codat_hub.products.domain.product import Product, Schedule
    from codat_hub.rate_limiting import ports as limiter_ports
    from codat_hub.rate_limiting.domain.waits import Waits
    from codat_hub.refresh import ports

    class Runs(Protocol):
        def get(self, product: str, slot: datetime) -> tuple[Run | None, int]: ...
        def put(self, run: Run, version: int) -> bool: ...
        def unfinished(self) -> list[tuple[str, datetime]]: ...


PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Planned:
    """`closed`: how tickets of earlier slots ended that were still open; status -> how many."""

    run: Run | None
    opened: int = 0
    closed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class PlanRefreshes:
    """`next_slot(schedule, moment)`: the slot after it; None: there is none.

    has_time: whether another page can be finished before this invocation ends
    """

    runs: Runs
    tickets: ports.Tickets
    assignments: ports.Assignments
    companies: ports.Companies
    registry: ports.Registry
    gates: limiter_ports.Gates
    rate_limits: limiter_ports.RateLimits
    next_slot: Callable[[Schedule, datetime], datetime | None]
    shards: int
    window: timedelta
    now: Callable[[], datetime]

    def __call__(
        self,
        product: str,
        slot: datetime,
        has_time: Callable[[], bool],
        *,
        requested_by: str | None = None,
    ) -> Planned:
        """Begin the run of this slot, or go on with it. Raises Unavailable; may be repeated.

        Raises Unreadable for the run, the product or the gate; `resume` then goes on with it. A
        company of which something cannot be read is left out.
        """
        run, version = self.runs.get(product, slot)
        if run is None:
            run = Run(product, slot, requested_by=requested_by)
        now = self.now()
        if not run.free(now):
            return Planned(None)  # done, or somebody is at it
        mine = owned(run, now)
        if not self.runs.put(mine, version):
            return Planned(None)
        return self._go_on(mine, version + 1, has_time)

    def resume(self, has_time: Callable[[], bool]) -> list[Planned]:
        """Go on with every run that was begun, is not done, and that nobody is at."""
        found = []
        for product, slot in self.runs.unfinished():
            if not has_time():
                break
            with suppress(Unreadable):  # it is logged, and tried again; the others do not wait
                found.append(self(product, slot, has_time))
        return found

    def _go_on(self, run: Run, version: int, has_time: Callable[[], bool]) -> Planned:
        opened, closed = 0, Counter[str]()
        product = named(self.registry.products(), run.product)
        deadline = self._deadline(product, run) if product else None
        while not run.done:
            if product is None or deadline is None or deadline <= self.now():
                logger.warning("nothing planned", product=run.product, slot=str(run.slot))
                run = replace(run, done=True)
            elif not has_time():
                run = replace(run, owned_until=None)
            else:
                run, news = self._page(run, product, deadline, closed)
                opened += news
            if not self.runs.put(run, version):
                logger.warning("run was taken over", product=run.product, slot=str(run.slot))
                return Planned(None, opened, closed)
            version += 1
            if run.owned_until is None:
                break
        return Planned(run, opened, closed)

    def _deadline(self, product: Product, run: Run) -> datetime | None:
        """The next slot, or 14 hours; None for a slot of a product that has none any more."""
        schedule = product.schedule
        if product.kind is not Kind.CUSTOM:
            return None
        if run.requested_by is None and not (schedule and schedule.enabled):
            return None
        after = self.next_slot(schedule, run.slot) if schedule and schedule.enabled else None
        latest = max(run.slot, self.now()) + LONGEST
        return min(after, latest) if after else latest

    def _page(
        self, run: Run, product: Product, deadline: datetime, closed: Counter[str]
    ) -> tuple[Run, int]:
        name = product.identifier
        ids = self.assignments.companies_with(name, run.shard, run.after, PAGE)
        pairs = [(one, name) for one in ids]
        assigned = self.assignments.get_many(pairs)
        known = self.companies.get_many(ids)
        tickets = self.tickets.get_many(pairs)
        barring = self._barring()
        opened = 0
        for pair in pairs:
            company = known.get(pair[0])
            allowed = pair in assigned and assigned[pair].may_be_read(product)
            if not allowed or company is None or not company.linked or pair in tickets.unreadable:
                continue
            old, version = tickets.get(pair, (None, 0))
            ticket = self._ticket(pair[0], old, run, deadline, barring)
            if ticket is not None and self.tickets.put(ticket, version):
                opened += 1
                if old is not None and old.open and ticket.opened_at != old.opened_at:
                    done = ticket_rules.expired(old, self.now(), barring)
                    closed[done.status.value] += 1
        last = len(ids) < PAGE
        run = replace(
            owned(run, self.now()),
            shard=run.shard + 1 if last else run.shard,
            after=None if last else ids[-1],
            opened=run.opened + opened,
            skipped=run.skipped + len(ids) - opened,
        )
        return replace(run, done=run.shard >= self.shards), opened

    def _barring(self) -> Waits | None:
        gate, _ = self.gates.get()
        notice, _ = self.rate_limits.get()
        return gate.barring(self.now(), notice)

    def _ticket(
        self,
        company_id: str,
        old: Ticket | None,
        run: Run,
        deadline: datetime,
        barring: Waits | None,
    ) -> Ticket | None:
        """The pair's ticket for this slot; None when it had one already."""
        if old is not None and old.slot is not None and old.slot >= run.slot:
            return None
        now = self.now()
        if old is not None and old.open and old.requested_by and old.data_types is None:
            # what a person asked for just now serves the slot too
            return replace(old, slot=run.slot, deadline=deadline)
        window = self.window if run.requested_by is None else timedelta()
        due_at = max(run.slot + jitter(company_id, run.slot, window), now)
        return Ticket(
            company_id=company_id,
            product=run.product,
            opened_at=now,
            due_at=min(due_at, deadline),
            deadline=deadline,
            slot=run.slot,
            requested_by=run.requested_by,
            generation=old.generation if old else 0,
            waits_for=barring,  # until it is sent
        )
