"""The result of reading many values of which some may be unreadable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codat_hub.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Found[K, T](dict[K, T]):
    """The readable values by key; absent ones are in neither list.

    unreadable: keys of values that exist, but not as this version of the hub writes them
    """

    def __init__(self, readable: Mapping[K, T], unreadable: Iterable[K] = ()) -> None:
        super().__init__(readable)
        self.unreadable = frozenset(unreadable)


def named[T](found: Found[str, T], name: str) -> T | None:
    """Return the value of that name, or None if there is none. Raises Unreadable."""
    if name in found.unreadable:
        raise Unreadable(f"{name} cannot be read")
    return found.get(name)
