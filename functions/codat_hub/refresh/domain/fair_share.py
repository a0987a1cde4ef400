"""Which tickets go first when more are due than may be sent: each product in its turn."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NONE: Final[Any] = object()


def in_turn[T](queues: Iterable[Sequence[T]], capacity: int) -> list[T]:
    """Take one entry of each queue in turn, in the queue's own order, up to the capacity.

    A queue that is shorter than its equal share goes whole, and the others share the rest.
    """
    rounds = chain.from_iterable(zip_longest(*queues, fillvalue=_NONE))
    return [entry for entry in rounds if entry is not _NONE][: max(capacity, 0)]


def rotated[T](queues: Sequence[T], turn: int) -> list[T]:
    """Return the queues in their order, beginning with another one each turn."""
    first = turn % len(queues) if queues else 0
    return [*queues[first:], *queues[:first]]
