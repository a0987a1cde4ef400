"""Refreshes on a virtual clock: real domain, use cases and adapters; fake table, queue and Codat.

Every event is in one heap: a slot, a minute, a message that becomes visible, a read that ends at
Codat. One generator draws every random number, so a seed always gives the same history.
"""

import heapq
import itertools
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from codat_hub import errors
from codat_hub.codat import errors as codat_errors
from codat_hub.codat.domain.quota import Quota, next_reset
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.product_events.usecases.list_overdue import ListOverdue
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.products.domain.schedule_expression import next_after
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.refresh.adapters.dispatch_store import DispatchStore
from codat_hub.refresh.adapters.lease_store import LeaseStore
from codat_hub.refresh.adapters.refresh_run_store import RefreshRunStore
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.usecases.dispatch_refreshes import DispatchRefreshes
from codat_hub.refresh.usecases.make_call import MakeCall
from codat_hub.refresh.usecases.plan_refreshes import PlanRefreshes
from codat_hub.refresh.usecases.record_outcome import RecordOutcome
from codat_hub.refresh.usecases.refresh_product import RefreshProduct
from codat_hub.refresh.usecases.take_turn import TakeTurn
from codat_hub.refresh.usecases.wake_company import WakeCompany
from codat_hub.storage.items import SHARDS
from tools.simulation.fakes import FakeStateTable

START = datetime(2026, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VISIBILITY = timedelta(seconds=100)  # as the template has it
RECEIVES = 5
REMEMBERED = timedelta(minutes=90)
DAILY = Schedule("cron(0 23 * * ? *)", "Europe/London")
EIGHT_HOURLY = Schedule("cron(30 0/8 * * ? *)")


class Died(BaseException):
    """The process was killed."""


def a_product(name, schedule=DAILY, **changes):
    return replace(
        Product(name, ProductKind.CUSTOM, data_types=("invoices",), schedule=schedule), **changes
    )


@dataclass(frozen=True)
class Answered:
    quota: Quota | None = None


class VirtualCodat:
    """Codat's refreshes, a lock while a read runs, idempotency for 90 minutes, and faults.

    lock: what a read locks, `company` or `product`
    fault: called before each refresh; it may raise, or return "after" to lose the answer
    """

    def __init__(self, world, *, read_time=None, lock="company"):
        self.world = world
        self.lock = lock
        self.read_time = read_time or (lambda: timedelta(minutes=world.random.uniform(1, 20)))
        self.fault = lambda company_id, product: None
        self.reading: dict[tuple, datetime] = {}
        self.answers: dict[str, tuple[datetime, codat_errors.CallFailed | None]] = {}
        self.calls: list[datetime] = []
        self.accepted: list[tuple[str, str | None, datetime]] = []
        self.waits: list[float] = []  # seconds from the lock's release to acceptance
        self.quota: Quota | None = None
        self.keys: list[str] = []
        self.forgotten = 0

    def refresh_product(self, company_id, product, data_types=None, *, idempotency_key=None):
        self.calls.append(self.world.now())
        self.keys.append(idempotency_key)
        kept = self.answers.get(idempotency_key)
        how = None
        if kept is not None and self.world.now() - kept[0] < REMEMBERED:
            failure = kept[1]  # no fault changes an answer that is kept
        else:
            how = self.fault(company_id, product)
            failure = self._refresh(company_id, product)
            self.answers[idempotency_key] = (self.world.now(), failure)
        if how == "after":
            raise codat_errors.OutcomeUnknown("no whole answer: ReadTimeout")
        if failure is not None:
            raise failure
        return Answered(self.quota)

    def refresh_all(self, company_id, *, idempotency_key=None):
        return self.refresh_product(company_id, None, idempotency_key=idempotency_key)

    def refresh_data_type(self, company_id, data_type, *, connection_id=None, idempotency_key=None):
        return self.refresh_product(company_id, None, [data_type], idempotency_key=idempotency_key)

    def forget_key(self):
        self.forgotten += 1

    def answer_kept(self, key, failure):
        """Keep the answer to a key, as Codat keeps all but a 429 (docs/codat.md, C16)."""
        self.answers[key] = (self.world.now(), failure)
        return failure

    def _refresh(self, company_id, product):
        lock = self._lock(company_id, product)
        if self.reading.get(lock, START) > self.world.now():
            return codat_errors.Busy("a read operation is in progress", status=400)
        self.accepted.append((company_id, product, self.world.now()))
        if company_id in self.world.released:
            self.waits.append((self.world.now() - self.world.released[company_id]).total_seconds())
        self.world.note_accepted(company_id, product)
        self.read(company_id, product, self.read_time())
        return None

    def read(self, company_id, product, lasting):
        """Begin a read; its event comes when it ends."""
        end = self.world.now() + lasting
        self.reading[self._lock(company_id, product)] = end
        self.world.at(end, lambda: self._ended(company_id, product))

    def _ended(self, company_id, product):
        self.world.released[company_id] = self.world.now()
        delay = timedelta(seconds=self.world.random.uniform(0.2, 3))
        at = self.world.now()
        self.world.at(at + delay, lambda: self.world.read_completed(company_id, product, at))

    def _lock(self, company_id, product):
        return (company_id,) if self.lock == "company" else (company_id, product)


class ObservedTickets(TicketStore):
    """Tickets that note how each slot of each company and product ended."""

    def __init__(self, table, world):
        super().__init__(table)
        self._world = world

    def put(self, ticket, version):
        before, _ = super().get(ticket.company_id, ticket.product)
        try:
            if not super().put(ticket, version):
                return False
        finally:
            if self.get(ticket.company_id, ticket.product)[1] == version + 1:
                self._note(before, ticket)  # also when the writer died after the write
        return True

    def _note(self, before, ticket):
        if before and before.open and before.opened_at != ticket.opened_at:
            ended = ticket_rules.expired(before, self._world.now())
            self._world.note(ended)
        self._world.note(ticket)


class VirtualQueue:
    def __init__(self, world):
        self.world = world
        self.dead: list = []
        self.before_send = lambda: None
        self.sent = 0
        self.duplicates = 0.0

    def send(self, messages):
        for message in messages:
            self.before_send()
            self.sent += 1
            self._visible(message, self.world.now() + message.delay, 1)
            if self.world.random.random() < self.duplicates:
                self._visible(message, self.world.now() + message.delay, 1)

    def _visible(self, message, at, receive):
        self.world.at(at, lambda: self._deliver(message, receive))

    def _deliver(self, message, receive):
        if receive > RECEIVES:
            self.dead.append(message)
            return
        try:
            result = self.world.worker(message)
        except (Died, errors.Unavailable, errors.Unreadable):
            self._visible(message, self.world.now() + VISIBILITY, receive + 1)
        else:
            self.world.results[result.outcome] += 1
            self.world.calls_made += result.called


class World:
    """A whole hub of refreshes. `wakes` False: no webhook wakes tickets, backoff alone does."""

    def __init__(self, seed=0, *, wakes=True, window=5 * MINUTE, lock="company", read_time=None):
        self.random = random.Random(seed)
        self.clock = START
        self.events: list = []
        self.numbers = itertools.count()
        self.table = FakeStateTable()
        self.codat = VirtualCodat(self, lock=lock, read_time=read_time)
        self.queue = VirtualQueue(self)
        self.tickets = ObservedTickets(self.table, self)
        self.leases = LeaseStore(self.table)
        self.limiters = RateLimiterStore(self.table)
        self.notices = RateLimitNoticeStore(self.table)
        self.registry = ProductStore(self.table, max_age=0)
        self.assignments = AssignmentStore(self.table)
        self.companies = CompanyStore(self.table)
        self.runs = RefreshRunStore(self.table)
        self.last_reads: dict[tuple, datetime] = {}
        self.results: Counter = Counter()
        self.calls_made = 0
        self.released: dict[str, datetime] = {}  # when a read of the company ended last
        self.slots: dict[tuple, list[str]] = defaultdict(list)
        self.accepted_of: Counter = Counter()
        self.wakes = wakes
        self.woken = 0
        self.wake = WakeCompany(self.tickets, self.leases, self.queue, self.now)
        self.window = window
        self.check_client = lambda: None
        self.worker = self.a_worker()

    def a_worker(self, *, tickets=None, leases=None, queue=None):
        """Return a worker on the world's ports, or on the given ones."""
        tickets = tickets or self.tickets
        leases = leases or self.leases
        wake = WakeCompany(tickets, leases, queue or self.queue, self.now)
        take_turn = TakeTurn(self.limiters, self.notices, leases, self.now)
        make_call = MakeCall(
            tickets,
            self,
            self.codat,
            check_client=self._check_client,
            now=self.now,
            new_id=lambda: f"key-{next(self.numbers)}",
        )
        record_outcome = RecordOutcome(
            tickets,
            self.limiters,
            self.assignments,
            take_turn,
            wake,
            was_read=make_call.was_read,
            now=self.now,
            chance=self.random.random,
            announced=self.wakes,
        )
        return RefreshProduct(
            tickets,
            self.registry,
            self.assignments,
            take_turn,
            make_call,
            record_outcome,
            wake,
            self.now,
        )

    def _check_client(self):
        self.check_client()

    @property
    def planner(self):
        return PlanRefreshes(
            self.runs,
            self.tickets,
            self.assignments,
            self.companies,
            self.registry,
            ListOverdue(ReadStateStore(self.table)),
            self.limiters,
            self.notices,
            next_after,
            SHARDS,
            self.window,
            self.now,
        )

    @property
    def dispatcher(self):
        return DispatchRefreshes(
            self.tickets,
            self.limiters,
            self.notices,
            self.registry,
            DispatchStore(self.table),
            self.queue,
            self.now,
        )

    def now(self):
        return self.clock

    def get(self, company_id, product):
        """Return the read state, with the time that the last read ended."""
        return ReadState(last_read_at=self.last_reads.get((company_id, product))), 1

    # the state of things

    def register(self, *products):
        _, version = self.registry.read()
        assert self.registry.replace(products, version)

    def assign(self, company_id, product, *, consented=True, linked=True):
        consent = Consent(product, START, "an owner", "1", ("invoices",)) if consented else None
        known, version = self.assignments.get(company_id, product)
        status = replace(known, status=AssignmentStatus.ASSIGNED, consent=consent, changed_at=START)
        assert self.assignments.put(status, version)
        _, version = self.companies.get(company_id)
        if not version:
            stamp = Stamp(START, "e")
            link = {"c": Connection(stamp, "Linked" if linked else "Unlinked")}
            assert self.companies.put(Company(company_id, connections=link), version)

    def absent(self, company_id, product):
        _, version = self.assignments.get(company_id, product)
        assert self.assignments.put(Assignment(company_id, product), version)

    def opened(self, company_id="c1", product="a", **changes):
        """Write a ticket as if its slot had just been planned."""
        old, version = self.tickets.get(company_id, product)
        ticket = ticket_rules.Ticket(
            company_id,
            product,
            opened_at=self.clock,
            due_at=self.clock,
            deadline=self.clock + timedelta(hours=14),
            slot=self.clock,
            generation=old.generation if old else 0,
        )
        assert self.tickets.put(replace(ticket, **changes), version)

    def ticket(self, company_id="c1", product="a"):
        return self.tickets.get(company_id, product)[0]

    # time

    def at(self, when, what):
        heapq.heappush(self.events, (max(when, self.clock), next(self.numbers), what))

    def every_minute(self, what):
        def again():
            what()
            self.at(self.clock + MINUTE, again)

        self.at(self.clock + MINUTE, again)

    def each_slot(self, product, what):
        def again():
            slot = self.clock
            what(slot)
            self.at(next_after(product.schedule, slot), again)

        self.at(next_after(product.schedule, self.clock), again)

    def run_until(self, end):
        while self.events and self.events[0][0] <= end:
            self.clock, _, what = heapq.heappop(self.events)
            what()
        self.clock = end

    def dispatching(self):
        self.every_minute(lambda: self.dispatcher())  # noqa: PLW0108  # a new one each time
        return self

    # events

    def read_completed(self, company_id, product, at):
        """Project Codat's event, and repeat it after a crash until it succeeds."""
        self.last_reads[company_id, product] = at
        if not self.wakes:
            self._end_lease_only(company_id, product, at)
            return
        try:
            self.woken += self.wake(company_id, product, at).woken
        except errors.Unreadable:
            pass  # what waits goes on after its backoff, as in the projector
        except Died:
            again = self.clock + timedelta(seconds=1)
            self.at(again, lambda: self.read_completed(company_id, product, at))

    def _end_lease_only(self, company_id, product, at):
        self.wake._end_lease(company_id, product, at)
        self.wake._complete(company_id, product, at)

    def note(self, ticket):
        if ticket.slot is not None and not ticket.open:
            self.slots[ticket.company_id, ticket.product, ticket.slot].append(ticket.status.value)

    def note_accepted(self, company_id, product):
        ticket = self.ticket(company_id, product)
        self.accepted_of[company_id, product, ticket.slot if ticket else None] += 1

    def reads_up_to_a_limit(self, limit, remaining):
        self.codat.quota = Quota(limit, remaining, next_reset(self.clock))

    def dying(self, probability):
        """Let a process die before or after some of its writes."""

        def perhaps():
            if self.random.random() < probability:
                raise Died

        self.table.before_put = self.table.after_put = self.queue.before_send = perhaps

    def safely(self, what):
        try:
            return what()
        except (Died, errors.Unavailable, errors.Unreadable):
            return None


def busiest_minute(calls):
    """Return the most calls in any 60 seconds."""
    window, most = [], 0
    for call in calls:
        window.append(call)
        while window[0] <= call - MINUTE:
            window.pop(0)
        most = max(most, len(window))
    return most
