"""Stores, in the State table, the full loads that whole products are owed."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Unreadable
from codat_hub.storage.items import CODAT, ItemKey, Stored, spell
from codat_hub.storage.reading import key_text, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.storage.state_table import StateTable

KEY: Final = ItemKey(CODAT, "FULL_LOADS")
_MAX_AGE: Final = 5.0  # seconds


class FullLoadStore:
    """One item for all products. Attributes: `products`: product -> when a full load was asked for.

    Every method raises Unavailable.
    """

    def __init__(self, table: StateTable, clock: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._clock = clock
        self._known: Mapping[str, datetime] = {}
        self._read_at = float("-inf")

    def owed(self) -> Mapping[str, datetime]:
        """Return the products that are owed a full load since then, at most five seconds old.

        An item that cannot be read owes nothing.
        """
        if self._clock() - self._read_at >= _MAX_AGE:
            try:
                self._known, _ = self.get()
            except Unreadable:
                self._known = {}
            self._read_at = self._clock()
        return self._known

    def get(self) -> tuple[Mapping[str, datetime], int]:
        """Return the same from the table, with the version for `put`. Raises Unreadable."""
        stored = self._table.get(KEY)
        return read(key_text(KEY), _times, stored), stored.version

    def put(self, owed: Mapping[str, datetime], version: int) -> bool:
        """Write over the version that was read; tell whether it was still that one."""
        item = {"products": {name: spell(at) for name, at in owed.items()}}
        return self._table.put(KEY, item, version)


def _times(stored: Stored) -> Mapping[str, datetime]:
    products = stored.attributes.get("products", {})
    return {name: datetime.fromisoformat(at) for name, at in products.items()}
