"""One way to change what others may change at the same time: read, decide, write, decide anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES: Final = 10


class Updated[Before, After](NamedTuple):
    """What was read last, and what was written over it; `after` None: it was left as it is."""

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
    """Return what was read and what was written over it, or left.

    read: returns a value and its version
    change: decides on that value alone; None leaves it. It runs again after each lost race.
    write: writes over the version that was read, and tells whether it was still that one
    what: names the value in the error
    pause: waits after a lost race; its argument counts the races lost, from 1

    Raises Unavailable when others win TRIES races in a row, and whatever the three raise.
    """
    for lost in range(1, TRIES + 1):
        before, version = read()
        after = change(before)
        if after is None or write(after, version):
            return Updated(before, after)
        pause(lost)
    raise Unavailable(f"others keep changing {what} at the same time")
