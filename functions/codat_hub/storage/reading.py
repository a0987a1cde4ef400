"""Reading items that another version of the hub, or a person, may have written.

An item that cannot be read is logged by its key and counted (`item_unreadable`). It is not changed.
Its own company, product or run then waits, and everything else goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codat_hub.errors import Unreadable
from codat_hub.storage.found import Found
from codat_hub.telemetry import count, logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.storage.items import ItemKey, Stored


def read[**P, T](item: str, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return `make(*args, **kwargs)`, the value that an item stands for.

    item: the item's key as text, for the log and the error

    Raises Unreadable, whatever `make` raised.
    """
    try:
        return make(*args, **kwargs)
    except Exception as fault:
        # The log has no content of the item: its key is enough to look it up.
        logger.error("item cannot be read", item=item, fault=type(fault).__name__)
        count("item_unreadable")
        raise Unreadable(f"{item} cannot be read") from fault


def read_each[K, T](
    keys: Mapping[ItemKey, K], items: Mapping[ItemKey, Stored], make: Callable[[K, Stored], T]
) -> Found[K, T]:
    """Return the values of many items, and the names of those that cannot be read.

    keys: the caller's name for each key
    items: the items that exist
    make: returns the value of a name and its item
    """
    readable: dict[K, T] = {}
    unreadable = []
    for key, stored in items.items():
        name = keys[key]
        try:
            readable[name] = read(key_text(key), _versioned, make, name, stored)
        except Unreadable:
            unreadable.append(name)
    return Found(readable, unreadable)


def key_text(key: ItemKey) -> str:
    """Return a key as logs and messages show it: `CODAT / PRODUCTS`."""
    return f"{key.pk} / {key.sk}"


def _versioned[K, T](make: Callable[[K, Stored], T], name: K, stored: Stored) -> T:
    if not stored.version:
        raise ValueError("the hub writes no item without a version")
    return make(name, stored)
