"""Open the tickets of one product's slot, page by page, with any number of planners at it.

Each page ends with a conditional write of the run's cursor. So two planners of one run never both
go on, and a planner that died is taken over from its last page. A ticket that is open already for
the slot stays as it is, so a page may be repeated.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.errors import Unreadable
from codat_hub.products.domain.product import ProductKind
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.refresh_run import RefreshRun, Skipped, jitter, jitter_window, owned
from codat_hub.refresh.domain.ticket import LONGEST, Ticket
from codat_hub.storage.found import named
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.company import Company
    from codat_hub.companies.ports import Assignments, Companies
    from codat_hub.product_events.usecases.list_overdue import ListOverdue
    from codat_hub.products.domain.product import Product, Schedule
    from codat_hub.products.ports import Products
    from codat_hub.rate_limiting.domain.waits import Waits
    from codat_hub.rate_limiting.ports import RateLimiters, RateLimitNotices
    from codat_hub.refresh.ports import Pair, RefreshRuns, Tickets
    from codat_hub.storage.found import Found


PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What one call of the planner did; `run` None: the run is done, or another planner's.

    closed: how open tickets of earlier slots ended; status -> how many
    """

    run: RefreshRun | None
    opened: int = 0
    closed: Counter[str] = field(default_factory=Counter)


class _Slot(NamedTuple):
    """What all tickets of a page have in common. `blocked_by` keeps all refreshes back now."""

    run: RefreshRun
    deadline: datetime
    window: timedelta
    blocked_by: Waits | None


@dataclass(frozen=True, slots=True)
class PlanRefreshes:
    """Raises Unavailable, and may be repeated.

    next_slot: returns the slot after a time, by a schedule; None: there is none
    shards: how many parts the list of companies has
    window: how long after the slot the last ticket is due, at most
    """

    runs: RefreshRuns
    tickets: Tickets
    assignments: Assignments
    companies: Companies
    registry: Products
    list_overdue: ListOverdue
    limiters: RateLimiters
    notices: RateLimitNotices
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
    ) -> PlanReport:
        """Begin the run of this slot, or go on with it.

        has_time: tells whether another page can be finished before this invocation ends

        A company with an unreadable item is left out. Raises Unreadable for the run, the product
        or the limiter; `resume` then goes on with the run.
        """
        run, version = self.runs.get(product, slot)
        if run is None:
            run = RefreshRun(product, slot, requested_by=requested_by)
        now = self.now()
        if not run.free(now):
            return PlanReport(None)
        run = owned(run, now)
        if not self.runs.put(run, version):
            return PlanReport(None)  # another planner took it
        return self._go_on(run, version + 1, has_time)

    def resume(self, has_time: Callable[[], bool]) -> list[PlanReport]:
        """Go on with every run that is not done and that no other planner works on, in turn.

        A run that stays unfinished goes behind the others, so one product never uses all the time.
        """
        reports = []
        for product, slot in self.runs.unfinished():
            if not has_time():
                break
            # An unreadable item has been logged; a later minute tries again.
            with suppress(Unreadable):
                report = self(product, slot, has_time)
                reports.append(report)
                if report.run is None or report.run.done:
                    continue
            self.runs.put_last(product, slot, self.now())
        return reports

    def _go_on(self, run: RefreshRun, version: int, has_time: Callable[[], bool]) -> PlanReport:
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
                run, opened_here = self._page(run, product, deadline, closed)
                opened += opened_here
            if not self.runs.put(run, version):
                logger.warning("run was taken over", product=run.product, slot=str(run.slot))
                return PlanReport(None, opened, closed)
            version += 1
            if run.owned_until is None:
                break
        return PlanReport(run, opened, closed)

    def _deadline(self, product: Product, run: RefreshRun) -> datetime | None:
        """Return the next slot, at most 14 hours off; None: the product has no such slot now."""
        schedule = product.schedule if product.schedule and product.schedule.enabled else None
        if product.kind is not ProductKind.CUSTOM:
            return None
        if run.requested_by is None and schedule is None:
            return None
        next_slot = self.next_slot(schedule, run.slot) if schedule else None
        latest = max(run.slot, self.now()) + LONGEST
        return min(next_slot, latest) if next_slot else latest

    def _page(
        self, run: RefreshRun, product: Product, deadline: datetime, closed: Counter[str]
    ) -> tuple[RefreshRun, int]:
        """Open the tickets of one page; return the run behind it, and how many were opened."""
        name = product.identifier
        ids = self.assignments.companies_with(name, run.shard, run.after, PAGE)
        pairs = [(company_id, name) for company_id in ids]
        assigned = self.assignments.get_many(pairs)
        companies = self.companies.get_many(ids)
        tickets = self.tickets.get_many(pairs)
        if product.schedule is not None:
            self.list_overdue(assigned.values(), companies, {name: product})
        slot = _Slot(run, deadline, self._window(product, run), self._blocked_by())
        opened, served, skipped = 0, 0, Counter[str]()
        for pair in pairs:
            reason = _skipped(product, pair, assigned, companies, tickets)
            if reason is not None:
                skipped[reason.value] += 1
                continue
            if self._open(pair, tickets.get(pair, (None, 0)), slot, closed):
                opened += 1
            else:
                served += 1
        last = len(ids) < PAGE
        run = replace(
            owned(run, self.now()),
            shard=run.shard + 1 if last else run.shard,
            after=None if last else ids[-1],
            opened=run.opened + opened,
            served=run.served + served,
            skipped=run.skipped + skipped.total(),
            skipped_by=dict(skipped + Counter(run.skipped_by)),
        )
        return replace(run, done=run.shard >= self.shards), opened

    def _open(
        self, pair: Pair, found: tuple[Ticket | None, int], slot: _Slot, closed: Counter[str]
    ) -> bool:
        """Open the company's ticket of the slot; False: its old ticket serves the slot.

        A ticket that changed since the page was read is read again, so a lost race skips nobody.
        """
        first = [found]

        def read() -> tuple[Ticket | None, int]:
            return first.pop() if first else self.tickets.get(*pair)

        def decide(old: Ticket | None) -> Ticket | None:
            return self._ticket(pair[0], slot, old)

        what = f"the refresh of company {pair[0]}"
        updated = update(read, decide, self.tickets.put, what)
        old, ticket = updated.before, updated.after
        if ticket is None:
            return False
        if old is not None and old.open:
            if ticket.opened_at == old.opened_at:
                return False  # a person's open ticket serves the slot too
            ended = ticket_rules.expired(old, self.now(), slot.blocked_by)
            closed[ended.status.value] += 1
        return True

    def _window(self, product: Product, run: RefreshRun) -> timedelta:
        if run.requested_by is not None or product.schedule is None:
            return timedelta()  # a person does not wait
        return jitter_window(self.window, run.slot, self.next_slot(product.schedule, run.slot))

    def _blocked_by(self) -> Waits | None:
        limiter, _ = self.limiters.get()
        notice, _ = self.notices.get()
        return limiter.blocked_by(self.now(), notice)

    def _ticket(self, company_id: str, slot: _Slot, old: Ticket | None) -> Ticket | None:
        """Return the company's ticket for this slot; None: the old ticket serves it already."""
        run, now = slot.run, self.now()
        if old is not None and old.slot is not None and old.slot >= run.slot:
            return None
        if old is not None and old.open and old.requested_by and old.data_types is None:
            # An open refresh of the whole product that a person asked for serves the slot too.
            return replace(old, slot=run.slot, deadline=slot.deadline)
        due_at = max(run.slot + jitter(company_id, run.slot, slot.window), now)
        return Ticket(
            company_id=company_id,
            product=run.product,
            opened_at=now,
            due_at=min(due_at, slot.deadline),
            deadline=slot.deadline,
            slot=run.slot,
            requested_by=run.requested_by,
            generation=old.generation if old else 0,
            waits_for=slot.blocked_by,  # until it is sent
        )


def _skipped(
    product: Product,
    pair: tuple[str, str],
    assigned: Found[tuple[str, str], Assignment],
    companies: Found[str, Company],
    tickets: Found[Pair, tuple[Ticket, int]],
) -> Skipped | None:
    """Return why the company gets no ticket; None: it gets one."""
    company = companies.get(pair[0])
    unreadable = pair in assigned.unreadable or pair[0] in companies.unreadable
    if unreadable or pair in tickets.unreadable:
        return Skipped.UNREADABLE
    if pair not in assigned or not assigned[pair].may_be_read(product):
        return Skipped.NOT_ALLOWED
    return None if company is not None and company.linked else Skipped.NOT_LINKED
