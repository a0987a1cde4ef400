"""What the dispatcher keeps between two runs, in the State table: one item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Unreadable
from codat_hub.refresh.domain.dispatch import Dispatched
from codat_hub.storage.items import CODAT, ItemKey, moment_or_none, spell
from codat_hub.storage.reading import read, spelt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "DISPATCH")


class Dispatches:
    """The item: `busy_until`, `products`."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self) -> tuple[Dispatched, int]:
        """Return it and its version; one that cannot be read counts as empty.

        Then the gate alone holds the pace for a minute, which it can.
        """
        stored = self._table.get(_KEY)
        try:
            return read(spelt(_KEY), _dispatched, stored.attributes), stored.version
        except Unreadable:
            return Dispatched(), stored.version

    def put(self, dispatched: Dispatched, version: int) -> bool:
        """Write over the version that was read. Tells whether it was still that one."""
        until = dispatched.busy_until
        item = {"busy_until": until and spell(until), "products": list(dispatched.products)}
        return self._table.put(_KEY, item, version)


def _dispatched(item: Mapping[str, Any]) -> Dispatched:
    return Dispatched(moment_or_none(item.get("busy_until")), tuple(item.get("products", ())))
