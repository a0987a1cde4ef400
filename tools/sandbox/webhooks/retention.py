"""How long messages and their deliveries are remembered."""

from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from tools.sandbox.webhooks.model import Delivery, DeliveryState, PostState

# Events can be replayed for two weeks, of sandbox time (docs/codat.md, C37).
KEPT_FOR: Final = timedelta(days=14)
# How often it is worth looking for what is too old (sandbox time).
LOOK_EVERY: Final = timedelta(days=1)


class Retention:
    """Forgets what is too old to be replayed; never what is still on its way, in real time."""

    def __init__(self) -> None:
        self._next: datetime | None = None

    def sweep(self, state: PostState, now: datetime) -> None:
        """Forget old messages and their deliveries, if it is time to look (`now`: sandbox time)."""
        if self._next and now < self._next:
            return
        self._next = now + LOOK_EVERY
        pending = {one.message_id for one in state.deliveries.values() if _is_pending(one)}
        too_old = takewhile(lambda one: one.generated < now - KEPT_FOR, state.messages.values())
        for message_id in [one.id for one in too_old if one.id not in pending]:
            del state.messages[message_id]
        for number in [n for n, one in state.deliveries.items() if _is_orphan(state, one)]:
            del state.deliveries[number]


def _is_pending(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.PENDING


def _is_orphan(state: PostState, delivery: Delivery) -> bool:
    return delivery.message_id not in state.messages
