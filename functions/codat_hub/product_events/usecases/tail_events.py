"""Let a person follow the product bus for an hour at most."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Absent
from codat_hub.product_events.domain.tail import Tail, known_tail, new_tail
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codat_hub.product_events.ports import Tails
    from codat_hub.storage.ports import IdSender

_FIRST_LOOK: Final = 900  # seconds; SQS's limit


@dataclass(frozen=True)
class TailEvents:
    """Opens, reads and closes tails.

    queue: takes the message by which a tail ends by itself, even if nobody closes it
    """

    tails: Tails
    queue: IdSender
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_tag: Callable[[], str] = lambda: secrets.token_hex(4)

    def open(self, product: str | None, by: str) -> Tail:
        """Follow one product, or all of them (None), from now on. Raises Unavailable."""
        tail = new_tail(product, self.now(), self.new_tag())
        # First, so that what a crash leaves behind ends in time too.
        self.queue.send_later(tail.message, _FIRST_LOOK)
        self.tails.open(tail.tail_id, product)
        logger.info("tail opened", tail_id=tail.tail_id, product=product, requested_by=by)
        return tail

    def receive(self, tail_id: str) -> tuple[Tail, Sequence[dict[str, Any]]]:
        """Return the next events, each once. Raises Absent once the tail is over, Unavailable."""
        tail = known_tail(tail_id)
        events = None if tail is None else self.tails.receive(tail_id)
        if tail is None or events is None:
            raise Absent(
                f"There is no tail {tail_id!r}, or its hour is over. Open one: tools/hub events"
                " tail."
            )
        return tail, events

    def close(self, tail_id: str, by: str) -> None:
        """End a tail; one that is over stays so. Raises Unavailable."""
        if known_tail(tail_id) is not None:
            self.tails.close(tail_id)
            logger.info("tail closed", tail_id=tail_id, by=by)


@dataclass(frozen=True)
class EndTail:
    """Ends tails whose hour is over."""

    tails: Tails
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, tail: Tail) -> bool:
        """End a tail if its hour is over; tell whether it was. Raises Unavailable."""
        if self.now() < tail.open_until:
            return False
        self.tails.close(tail.tail_id)
        return True
