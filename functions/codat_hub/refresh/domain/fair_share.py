"""Who goes first when more is due than may be called: each product in its turn."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NONE: Final[Any] = object()


def in_turn[T](queues: Iterable[Sequence[T]], capacity: int) -> list[T]:
    """Take one of each queue in turn, in its own order, up to the capacity.

    So a queue that is shorter than its equal share goes whole, and what it leaves is the others'.
    """
    rounds = chain.from_iterable(zip_longest(*queues, fillvalue=_NONE))
    return [one for one in rounds if one is not _NONE][: max(capacity, 0)]
