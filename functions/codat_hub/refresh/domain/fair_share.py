"""Which tickets go first when more are due than may be sent: each product in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def in_turn[T](queues: Iterable[Iterable[T]]) -> Iterator[T]:
    """Yield one entry of each queue in turn, in the queue's own order.

    A queue that is shorter than its equal share goes whole, and the others share the rest. A queue
    is asked for its next entry only when it is that queue's turn.
    """
    waiting = [iter(queue) for queue in queues]
    while waiting:
        still_waiting = []
        for queue in waiting:
            for entry in queue:
                yield entry
                still_waiting.append(queue)
                break
        waiting = still_waiting


def rotated[T](queues: Sequence[T], turn: int) -> list[T]:
    """Return the queues in their order, beginning with another one each turn."""
    first = turn % len(queues) if queues else 0
    return [*queues[first:], *queues[:first]]
