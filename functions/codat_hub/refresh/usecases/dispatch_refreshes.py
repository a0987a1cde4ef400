"""Every minute: close tickets past their deadline, and send due tickets, product by product."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import batched, chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.errors import Unreadable
from codat_hub.products.domain.product import ProductKind
from codat_hub.rate_limiting.domain import pace
from codat_hub.rate_limiting.domain.rate_limiter import probing_limiter
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.dispatch import HORIZON, DispatchMemory
from codat_hub.refresh.domain.fair_share import in_turn, rotated
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.usecases.due_tickets import DueTickets
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products
    from codat_hub.rate_limiting.domain.breaker import Cause
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
    from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter
    from codat_hub.rate_limiting.ports import RateLimiters, RateLimitNotices
    from codat_hub.refresh import ports
    from codat_hub.refresh.domain.dispatch import DueTicket
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.storage.found import Found


# Tickets that are looked at beyond those that may be sent: some may be past their deadline.
_LOOKED_AT: Final = 1000
_PAGE: Final = 100  # tickets read at once
_CHUNK: Final = 10
_PROBES: Final = 10  # messages of which the first that may call is the probe
# The tickets behind an unreadable ticket are not held up, and its alarm stays on.
_UNREADABLE_AGAIN: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class DispatchReport:
    """What one run of the dispatcher did.

    closed: how tickets ended at their deadline; status -> how many
    blocked: nothing may be sent now
    stopped: why only probes leave now
    """

    sent: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    blocked: bool = False
    stopped: Cause | None = None


class _Run(NamedTuple):
    """What one run goes by. `blocked_by` keeps all refreshes back now."""

    now: datetime
    limiter: RateLimiter
    blocked_by: Waits | None
    report: DispatchReport


@dataclass(frozen=True, slots=True)
class DispatchRefreshes:
    """Raises Unavailable, and may be repeated, also at the same time.

    A run reads the tickets that it may send and a constant number more, however many are due.

    A ticket or product that cannot be read waits until it is repaired; the others go on.
    """

    tickets: ports.Tickets
    limiters: RateLimiters
    notices: RateLimitNotices
    registry: Products
    memories: ports.DispatchMemories
    queue: ports.RefreshSender
    now: Callable[[], datetime]

    # Long because the order of its reads and its one write has to be seen at once.
    def __call__(self) -> DispatchReport:
        now = self.now()
        before, version = self.memories.get()
        limiter = self._limiter(now)
        notice, _ = self.notices.get()
        per_second = limiter.per_second(now)
        capacity = _capacity(before, limiter, notice, now)
        registered = self.registry.products()
        products = _products(registered, before)
        portion = capacity // len(products) + 1
        queues = [
            DueTickets(self.tickets, product, now, portion)
            for product in products
            if product not in registered.unreadable  # its tickets wait until it can be read
        ]
        stopped = limiter.breaker.open_for(now, notice)
        report = DispatchReport(blocked=capacity == 0, stopped=stopped and stopped.cause)
        most = capacity + _LOOKED_AT
        probes = before.probes
        order = queues
        if capacity and limiter.breaker.probing(now, notice):
            # A probe is due. One ticket of each of some products is sent, a second after the other,
            # because a worker may cancel some of them; the limiter lets the first of the rest call.
            order = rotated([queue for queue in queues if not queue.empty], probes)
            capacity, per_second, probes = min(len(order), _PROBES), 1, probes + 1
        run = _Run(now, limiter, limiter.blocked_by(now, notice), report)
        chosen, looked_at = self._chosen(in_turn(order), capacity, most, run)
        swept = self._sweep(queues, before.swept, most - looked_at, run)
        known = self._still_known(registered, products)
        after = replace(before, products=known, probes=probes, swept=swept)
        if chosen:
            after = replace(after, busy_until=before.busy_after(now, len(chosen), per_second))
        if after != before and not self.memories.put(after, version):
            logger.info("another dispatcher was faster")
            return report
        return self._send(chosen, before.starts_at(now) - now, per_second, report, now)

    def _limiter(self, now: datetime) -> RateLimiter:
        try:
            return self.limiters.get()[0]
        except Unreadable:
            limiter = probing_limiter(now)
            self.limiters.replace(limiter)
            return limiter

    def _still_known(
        self, registered: Found[str, Product], products: list[str | None]
    ) -> tuple[str, ...]:
        """Return the products to remember: registered, or with open tickets."""
        return tuple(
            product
            for product in products
            if product is not None
            and (product in registered or self.tickets.due(product, _never(self.now()), 1))
        )

    def _chosen(
        self, due: Iterator[DueTicket], capacity: int, most: int, run: _Run
    ) -> tuple[list[tuple[Ticket, int]], int]:
        """Return the tickets to send, and how many were looked at, `most` at most.

        It closes expired tickets on the way, and keeps scheduled ones back for the reserve.
        """
        chosen: list[tuple[Ticket, int]] = []
        left, looked_at = run.limiter.scheduled_left(run.now), 0
        while len(chosen) < capacity and looked_at < most:
            page = list(islice(due, min(_PAGE, most - looked_at)))
            if not page:
                break
            looked_at += len(page)
            for ticket, version in self._read(page, run.now):
                if run.now >= ticket.deadline:
                    self._close(ticket, version, run)
                elif len(chosen) >= capacity:
                    continue
                elif ticket.requested_by is None and left == 0:
                    until = run.limiter.reserve_until(run.now) or run.now + HORIZON
                    kept = ticket_rules.kept_back(ticket, Waits.RESERVE, until)
                    self.tickets.put(kept, version)
                else:
                    chosen.append((ticket, version))
                    left = left - 1 if left and ticket.requested_by is None else left
        return chosen, looked_at

    def _sweep(
        self, queues: list[DueTickets], before: tuple[str, str] | None, most: int, run: _Run
    ) -> tuple[str, str] | None:
        """Close expired tickets that wait behind others, and return the place that it came to.

        The due tickets are in the order they are due, not in that of their deadlines. So each run
        looks at the next `most` of those that nothing was sent of, from the place of the last run.
        """
        if most <= 0:
            return before
        first, place = before or ("", None)
        waiting = {queue.product or "": queue for queue in queues if not queue.exhausted}
        if place is not None and first in waiting:
            waiting[first] = DueTickets(self.tickets, first or None, run.now, _PAGE, place)
        due = chain.from_iterable(waiting[name] for name in sorted(waiting) if name >= first)
        looked_at = list(islice(due, most))
        for page in batched(looked_at, _PAGE, strict=False):
            for ticket, version in self._read(page, run.now):
                if run.now >= ticket.deadline:
                    self._close(ticket, version, run)
        if len(looked_at) < most:
            return None
        return looked_at[-1].product or "", looked_at[-1].place

    def _read(self, due: Sequence[DueTicket], now: datetime) -> Iterator[tuple[Ticket, int]]:
        """Read the tickets, and leave out those that the lagging index lists wrongly as due."""
        pairs = [(listed.company_id, listed.product) for listed in due]
        found = self.tickets.get_many(pairs)
        for company_id, product in found.unreadable:
            self.tickets.postpone(company_id, product, now + _UNREADABLE_AGAIN)
        for pair in pairs:
            ticket, version = found.get(pair, (None, 0))
            if ticket is not None and ticket.open and ticket.due_at <= now:
                yield ticket, version

    def _close(self, ticket: Ticket, version: int, run: _Run) -> None:
        ended = ticket_rules.expired(ticket, run.now, run.blocked_by)
        if self.tickets.put(ended, version):
            run.report.closed[ended.status.value] += 1

    def _send(
        self,
        chosen: list[tuple[Ticket, int]],
        start: timedelta,
        per_second: int,
        report: DispatchReport,
        now: datetime,
    ) -> DispatchReport:
        """Mark each ticket as sent, then send its message, delayed by the place in the burst."""
        count = 0
        for chunk in batched(enumerate(chosen), _CHUNK, strict=False):
            messages = []
            for place, (ticket, version) in chunk:
                delay = start + pace.delay(place, per_second)
                sent = ticket_rules.sent(ticket, now, delay)
                if self.tickets.put(sent, version):
                    messages.append(
                        RefreshMessage(sent.company_id, sent.product, sent.generation, delay)
                    )
            # A message that SQS rejects is due again after LOST_AFTER (10 min), like a lost one.
            self.queue.send(messages)
            count += len(messages)
        return replace(report, sent=count)


def _products(registered: Found[str, Product], before: DispatchMemory) -> list[str | None]:
    """Return the registered and the remembered products, first None: client-level settings."""
    custom = [name for name, product in registered.items() if product.kind is ProductKind.CUSTOM]
    return [None, *sorted({*custom, *before.products})]


def _capacity(
    before: DispatchMemory, limiter: RateLimiter, notice: RateLimitNotice | None, now: datetime
) -> int:
    if limiter.breaker.blocked_until(now, notice) is not None:
        return 0
    return before.capacity(now, limiter.per_second(now))


def _never(now: datetime) -> datetime:
    return now.replace(year=now.year + 100)
