"""The post office decides where a message goes and when to retry; it sends nothing itself."""

import heapq
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tools.sandbox.webhooks.matching import subscribes, to_replay
from tools.sandbox.webhooks.model import (
    Attempt,
    Consumer,
    Delivery,
    DeliveryState,
    Message,
    PostState,
)
from tools.sandbox.webhooks.retention import Retention
from tools.sandbox.webhooks.signing import signed_headers
from tools.sandbox.webhooks.turnstile import Turnstile

log = logging.getLogger("sandbox")

# The delay before each attempt, from the failure before it (docs/codat.md, C34).
RETRY_DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (0, 5, 300, 1800, 7200, 18000, 36000, 36000)
)
# An endpoint is disabled if every attempt fails in this real time (docs/codat.md, C36).
GIVE_UP_AFTER: Final = timedelta(days=5)
# Reordering and duplicates move an attempt by this at most (real time).
SPREAD: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Posting:
    """One attempt that must be made now."""

    delivery: int
    url: str
    headers: dict[str, str]
    body: str


class PostOffice:
    """Fan-out, retries, duplicates and reordering of messages; `now` is real time."""

    def __init__(self, state: PostState, now: Callable[[], datetime], seed: str) -> None:
        self.state = state
        self.now = now
        self._rng = random.Random(seed)
        self._open: dict[str, set[int]] = {}
        self._queue: list[tuple[datetime, int]] = []
        self._retention = Retention()
        self._turnstile = Turnstile()
        for delivery in state.deliveries.values():
            # An attempt that ran when the state was saved is made again.
            if delivery.state is DeliveryState.PENDING:
                self._schedule(delivery, delivery.due or now())

    def publish(self, message: Message) -> None:
        """Keep the message and hand it to every enabled consumer that subscribes to it."""
        self.keep(message)
        for consumer in self.subscribers(message):
            self.hand_over(message, consumer.id)

    def subscribers(self, message: Message) -> list[Consumer]:
        """Return the consumers that get the message; a disabled consumer misses it."""
        every = self.state.consumers.values()
        return [
            consumer
            for consumer in every
            if not consumer.disabled and subscribes(consumer, message)
        ]

    def hand_over(self, message: Message, consumer_id: str, *, shuffle: bool = False) -> None:
        """Start one delivery, with or without a subscription."""
        self.keep(message)
        late = shuffle or self.state.rules.reorder
        self._add(message.id, consumer_id, self._spread() if late else timedelta(0))

    def due(self) -> Iterator[Posting]:
        """Yield every attempt that is due, signed now; the caller must `report` each."""
        while self._queue and self._queue[0][0] <= self.now():
            at, number = heapq.heappop(self._queue)
            delivery = self.state.deliveries.get(number)
            if delivery is None or delivery.due != at:
                continue
            consumer = self.state.consumers[delivery.consumer_id]
            if consumer.disabled:
                continue  # enable() schedules it again
            if not self._turnstile.enter(consumer.id, number):
                continue  # the end of one of the consumer's attempts plans it again
            delivery.due = None
            if posting := self._signed(delivery, consumer):
                yield posting

    def next_due(self) -> datetime | None:
        """Return when the next attempt is due."""
        return self._queue[0][0] if self._queue else None

    def report(self, number: int, attempt: Attempt) -> None:
        """Record an attempt; anything but a 2xx is a failure and is retried."""
        delivery = self.state.deliveries.get(number)
        if delivery is None or delivery.state is not DeliveryState.PENDING:
            return  # the consumer was deleted, or everything reset, meanwhile
        self._let_next_in(delivery.consumer_id)
        delivery.attempts.append(attempt)
        consumer = self.state.consumers[delivery.consumer_id]
        if attempt.status is not None and 200 <= attempt.status < 300:
            consumer.failing_since = None
            self._settle(delivery, DeliveryState.DELIVERED)
            self._maybe_duplicate(delivery)
        elif len(delivery.attempts) == len(RETRY_DELAYS):
            self._settle(delivery, DeliveryState.FAILED)
            self._maybe_give_up_on(consumer)
        else:
            wait = RETRY_DELAYS[len(delivery.attempts)] * self.state.rules.retry_scale
            self._schedule(delivery, self.now() + wait)
            self._maybe_give_up_on(consumer)

    def put_back(self, number: int) -> None:
        """Make an attempt due again at once that was given up without an outcome."""
        if delivery := self.state.deliveries.get(number):
            self._let_next_in(delivery.consumer_id)
            self._schedule(delivery, self.now())

    def enable(self, consumer: Consumer) -> None:
        """Resume the remaining attempts of a consumer, the overdue ones at once."""
        consumer.disabled = False
        consumer.failing_since = None
        self._turnstile.dismiss(consumer.id)
        for number in sorted(self._open.get(consumer.id, ())):
            delivery = self.state.deliveries[number]
            if delivery.due is not None:
                self._schedule(delivery, max(delivery.due, self.now()))

    def replay(self, consumer: Consumer, since: datetime, *, even_delivered: bool) -> list[str]:
        """Send messages since a time again: those that the consumer lacks, or all."""
        wanted = to_replay(self.state, consumer, since, even_delivered=even_delivered)
        for message_id in wanted:
            self._add(message_id, consumer.id, timedelta(0))
        return wanted

    def forget(self, consumer_id: str) -> None:
        """Delete a consumer and its pending retries."""
        del self.state.consumers[consumer_id]
        self._turnstile.dismiss(consumer_id)
        for number in sorted(self._open.get(consumer_id, ())):
            delivery = self.state.deliveries[number]
            delivery.note = "consumer deleted"
            self._settle(delivery, DeliveryState.FAILED)

    def keep(self, message: Message) -> None:
        """Keep a message so that it can be replayed; forget those that are too old."""
        self.state.messages[message.id] = message
        self._retention.sweep(self.state, message.generated)

    def _signed(self, delivery: Delivery, consumer: Consumer) -> Posting | None:
        """Return the signed attempt; one that cannot be signed fails and delays no other."""
        try:
            message = self.state.messages[delivery.message_id]
            headers = signed_headers(consumer, message, self.now())
        except Exception:
            log.exception("a message could not be signed", extra={"id": delivery.message_id})
            delivery.note = "could not be signed"
            self._let_next_in(consumer.id)
            self._settle(delivery, DeliveryState.FAILED)
            return None
        return Posting(delivery.number, consumer.url, headers, message.body)

    def _let_next_in(self, consumer_id: str) -> None:
        """Let in the delivery that waited longest, because an attempt is over."""
        number = self._turnstile.leave(consumer_id)
        delivery = self.state.deliveries.get(number) if number is not None else None
        if delivery and delivery.due:
            heapq.heappush(self._queue, (delivery.due, delivery.number))

    def _add(
        self, message_id: str, consumer_id: str, wait: timedelta, *, copy: bool = False
    ) -> None:
        self.state.last_number += 1
        number = self.state.last_number
        delivery = Delivery(number, message_id, consumer_id, due=None, is_copy=copy)
        self.state.deliveries[number] = delivery
        self._schedule(delivery, self.now() + wait)

    def _schedule(self, delivery: Delivery, at: datetime) -> None:
        delivery.due = at
        self._open.setdefault(delivery.consumer_id, set()).add(delivery.number)
        heapq.heappush(self._queue, (at, delivery.number))

    def _settle(self, delivery: Delivery, state: DeliveryState) -> None:
        delivery.state = state
        delivery.due = None
        self._open.get(delivery.consumer_id, set()).discard(delivery.number)

    def _maybe_duplicate(self, delivery: Delivery) -> None:
        if delivery.is_copy or self._rng.random() >= self.state.rules.duplicate_probability:
            return
        self._add(delivery.message_id, delivery.consumer_id, self._spread(), copy=True)

    def _maybe_give_up_on(self, consumer: Consumer) -> None:
        now = self.now()
        consumer.failing_since = consumer.failing_since or now
        if now - consumer.failing_since >= GIVE_UP_AFTER:
            consumer.disabled = True

    def _spread(self) -> timedelta:
        return SPREAD * self._rng.random()
