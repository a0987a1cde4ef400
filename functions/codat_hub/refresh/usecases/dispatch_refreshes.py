"""Every minute: close what is past its deadline, send what is due, spread, in fair turn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Unreadable
from codat_hub.products.domain.product import Kind
from codat_hub.rate_limiting.domain import pace
from codat_hub.rate_limiting.domain.rate_limiter import shut
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.dispatch import HORIZON, Dispatched
from codat_hub.refresh.domain.fair_share import in_turn
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from typing import Protocol

    from codat_hub.products.domain.product import Product
    from codat_hub.rate_limiting import ports as limiter_ports
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimit
    from codat_hub.rate_limiting.domain.rate_limiter import Gate
    from codat_hub.refresh import ports
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.storage.found import Found

    class Dispatches(Protocol):
        def get(self) -> tuple[Dispatched, int]: ...
        def put(self, dispatched: Dispatched, version: int) -> bool: ...


_LOOKED_AT: Final = 200  # of each product even when nothing may be sent: some may be past deadline
_CHUNK: Final = 10
# Out of the way of those behind it, and back often enough that its alarm stays on.
_UNREADABLE_AGAIN: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """`closed`: status -> how many came to their deadline; `barred`: nothing may be sent."""

    sent: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    barred: bool = False


@dataclass(frozen=True, slots=True)
class DispatchRefreshes:
    """Raises Unavailable; may be repeated, also at the same time.

    A ticket or product that cannot be read waits until it is mended; the others go on.
    """

    tickets: ports.Tickets
    gates: limiter_ports.Gates
    rate_limits: limiter_ports.RateLimits
    registry: ports.Registry
    dispatches: Dispatches
    queue: ports.Queue
    now: Callable[[], datetime]

    def __call__(self) -> Dispatch:
        now = self.now()
        before, version = self.dispatches.get()
        gate = self._gate(now)
        notice, _ = self.rate_limits.get()
        per_second = gate.per_second(now)
        capacity = _capacity(before, gate, notice, now)
        registered = self.registry.products()
        products = _products(registered, before)
        queues = [
            # tickets of one that cannot be read wait until it can
            []
            if product in registered.unreadable
            else self._due(product, now, max(capacity, _LOOKED_AT))
            for product in products
        ]
        report = Dispatch(barred=capacity == 0)
        if gate.breaker.probing(notice):
            # one of each product: the first of one may be cancelled, as all of it may, and call
            # nobody; of those that would call the gate lets one
            capacity = min(capacity, sum(map(bool, queues)))
        pairs = in_turn(queues, sum(map(len, queues)))
        barring = gate.barring(now, notice)
        chosen = self._chosen(pairs, capacity, gate, report, now=now, barring=barring)
        after = Dispatched(before.busy_until, self._still_known(registered, products, queues))
        if chosen:
            after = Dispatched(before.busy_after(now, len(chosen), per_second), after.products)
        if after != before and not self.dispatches.put(after, version):
            logger.info("another dispatcher was faster")
            return report
        return self._send(chosen, before.starts_at(now) - now, per_second, report, now)

    def _gate(self, now: datetime) -> Gate:
        try:
            return self.gates.get()[0]
        except Unreadable:
            gate = shut(now)
            self.gates.replace(gate)
            return gate

    def _due(self, product: str | None, now: datetime, limit: int) -> list[ports.Pair]:
        return [(company_id, product) for company_id in self.tickets.due(product, now, limit)]

    def _still_known(
        self,
        registered: Found[str, Product],
        products: list[str | None],
        queues: list[list[ports.Pair]],
    ) -> tuple[str, ...]:
        """Remember a product until it is neither registered nor has an open ticket."""
        return tuple(
            product
            for product, queue in zip(products, queues, strict=True)
            if product is not None
            and (product in registered or queue or self.tickets.due(product, _never(self.now()), 1))
        )

    def _chosen(
        self,
        pairs: list[ports.Pair],
        capacity: int,
        gate: Gate,
        report: Dispatch,
        *,
        now: datetime,
        barring: Waits | None,
    ) -> list[tuple[Ticket, int]]:
        """Read the tickets in turn until the capacity is used; close and keep back on the way."""
        chosen: list[tuple[Ticket, int]] = []
        left = gate.scheduled_left(now)
        for ticket, version in self._read(pairs, now):
            if now >= ticket.deadline:
                self._close(ticket_rules.expired(ticket, now, barring), version, report)
            elif len(chosen) >= capacity:
                continue
            elif ticket.requested_by is None and left == 0:
                until = gate.reserve_until(now) or now + HORIZON
                kept = ticket_rules.kept_back(ticket, Waits.RESERVE, until)
                self.tickets.put(kept, version)
            else:
                chosen.append((ticket, version))
                left = left - 1 if left and ticket.requested_by is None else left
        return chosen

    def _read(self, pairs: list[ports.Pair], now: datetime) -> Iterator[tuple[Ticket, int]]:
        """The index lags behind: only what is open and due in truth."""
        for some in batched(pairs, 100, strict=False):
            found = self.tickets.get_many(some)
            for company_id, product in found.unreadable:
                self.tickets.postpone(company_id, product, now + _UNREADABLE_AGAIN)
            for pair in some:
                ticket, version = found.get(pair, (None, 0))
                if ticket is not None and ticket.open and ticket.due_at <= now:
                    yield ticket, version

    def _close(self, done: Ticket, version: int, report: Dispatch) -> None:
        if self.tickets.put(done, version):
            report.closed[done.status.value] += 1

    def _send(
        self,
        chosen: list[tuple[Ticket, int]],
        start: timedelta,
        per_second: int,
        report: Dispatch,
        now: datetime,
    ) -> Dispatch:
        sent = 0
        for some in batched(enumerate(chosen), _CHUNK, strict=False):
            messages = []
            for place, (ticket, version) in some:
                delay = start + pace.delay(place, per_second)
                marked = ticket_rules.sent(ticket, now, delay)
                if self.tickets.put(marked, version):
                    messages.append(
                        RefreshMessage(marked.company_id, marked.product, marked.generation, delay)
                    )
            # what is not taken here is due again in ten minutes, like all that was sent for nothing
            self.queue.send(messages)
            sent += len(messages)
        return Dispatch(sent, report.closed, report.barred)


def _products(registered: Found[str, Product], before: Dispatched) -> list[str | None]:
    """Those registered now, and those whose tickets may still be open; None: client-level."""
    custom = [name for name, one in registered.items() if one.kind is Kind.CUSTOM]
    return [None, *sorted({*custom, *before.products})]


def _capacity(before: Dispatched, gate: Gate, notice: RateLimit | None, now: datetime) -> int:
    if gate.breaker.barred_until(now, notice) is not None:
        return 0
    return before.capacity(now, gate.per_second(now))


def _never(now: datetime) -> datetime:
    return now.replace(year=now.year + 100)
