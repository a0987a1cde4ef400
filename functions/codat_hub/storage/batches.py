"""Requests to AWS that take many entries and may leave some over."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TRIES: Final = 8


def in_batches[T](
    entries: Iterable[T], size: int, send: Callable[[list[T]], list[T]], what: str
) -> None:
    """Send all entries, at most `size` at once, and send again what AWS leaves over.

    send: sends one batch and returns the entries that AWS left over
    what: says in the error what did not happen, such as "the state was not read"

    Raises Unavailable when AWS leaves the same batch over TRIES times.
    """
    for batch in batched(entries, size, strict=False):
        left_over = list(batch)
        for _ in range(TRIES):
            left_over = send(left_over)
            if not left_over:
                break
        else:
            raise Unavailable(f"{what}: AWS keeps leaving over {len(left_over)} of {len(batch)}")
