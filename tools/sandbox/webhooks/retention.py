"""Messages and their deliveries are kept as long as they can be replayed."""

from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from tools.sandbox.webhooks.model import Delivery, DeliveryState, PostState

# Events can be replayed for two weeks of sandbox time (docs/codat.md, C37).
KEPT_FOR: Final = timedelta(days=14)
# The time between two looks for old messages (sandbox time).
LOOK_EVERY: Final = timedelta(days=1)


class Retention:
    """Forget messages that are too old for a replay, but none that is still on its way."""

    def __init__(self) -> None:
        self._next: datetime | None = None

    def sweep(self, state: PostState, now: datetime) -> None:
        """Forget old messages and deliveries if a look is due; `now` is sandbox time."""
        if self._next and now < self._next:
            return
        self._next = now + LOOK_EVERY
        pending = {
            delivery.message_id for delivery in state.deliveries.values() if _is_pending(delivery)
        }
        too_old = takewhile(
            lambda message: message.generated < now - KEPT_FOR, state.messages.values()
        )
        for message_id in [message.id for message in too_old if message.id not in pending]:
            del state.messages[message_id]
        for number in [
            n for n, delivery in state.deliveries.items() if _is_orphan(state, delivery)
        ]:
            del state.deliveries[number]


def _is_pending(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.PENDING


def _is_orphan(state: PostState, delivery: Delivery) -> bool:
    return delivery.message_id not in state.messages
