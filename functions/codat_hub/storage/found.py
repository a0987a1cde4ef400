"""What was found of many, when some of it may be unreadable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codat_hub.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Found[K, T](dict[K, T]):
    """What there is and can be read, by key.

    unreadable: keys of what is there too, but not as this version of the hub writes it
    """

    def __init__(self, readable: Mapping[K, T], unreadable: Iterable[K] = ()) -> None:
        super().__init__(readable)
        self.unreadable = frozenset(unreadable)


def named[T](found: Found[str, T], name: str) -> T | None:
    """Return the one of that name; None if there is none. Raises Unreadable."""
    if name in found.unreadable:
        raise Unreadable(f"{name} cannot be read")
    return found.get(name)
