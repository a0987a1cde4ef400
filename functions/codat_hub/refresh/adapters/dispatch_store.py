"""The dispatcher's memory: one item of the State table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Unreadable
from codat_hub.refresh.domain.dispatch import DispatchMemory
from codat_hub.storage.items import CODAT, ItemKey, attributes, moment_or_none
from codat_hub.storage.reading import key_text, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "DISPATCH")


class DispatchStore:
    """The item: `busy_until`, `products`, `probes`, `swept`: `[product, place]`."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self) -> tuple[DispatchMemory, int]:
        """Return the memory and its version; a memory that cannot be read counts as empty.

        The rate limiter alone then holds the pace for a minute.
        """
        stored = self._table.get(_KEY)
        try:
            return read(key_text(_KEY), _memory, stored.attributes), stored.version
        except Unreadable:
            return DispatchMemory(), stored.version

    def put(self, memory: DispatchMemory, version: int) -> bool:
        """Write over the version that was read, and tell whether it was still that one."""
        item = {**attributes(memory), "probes": memory.probes or None}
        return self._table.put(_KEY, item, version)


def _memory(item: Mapping[str, Any]) -> DispatchMemory:
    swept = item.get("swept")
    return DispatchMemory(
        moment_or_none(item.get("busy_until")),
        tuple(item.get("products", ())),
        int(item.get("probes", 0)),
        None if swept is None else (swept[0], swept[1]),
    )
