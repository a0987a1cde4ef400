"""The one way to change a value that others may change at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES: Final = 10


class Updated[Before, After](NamedTuple):
    """The value as it was read last, and the value written over it; None: nothing was written."""

    before: Before
    after: After | None


def update[Before, After, Version](
    read: Callable[[], tuple[Before, Version]],
    change: Callable[[Before], After | None],
    write: Callable[[After, Version], bool],
    what: str,
    *,
    pause: Callable[[int], object] = lambda _try: None,
) -> Updated[Before, After]:
    """Read a value, decide, write it, and start again after a lost race.

    read: returns a value and its version
    change: returns the new value, or None to leave it; runs again after each lost race
    write: writes over the version that was read; returns False if it has changed
    what: names the value in the error
    pause: waits after a lost race; its argument is the number of races lost, from 1

    Raises Unavailable after TRIES lost races, and whatever the callables raise.
    """
    for lost in range(1, TRIES + 1):
        before, version = read()
        after = change(before)
        if after is None or write(after, version):
            return Updated(before, after)
        pause(lost)
    raise Unavailable(f"others keep changing {what} at the same time")
