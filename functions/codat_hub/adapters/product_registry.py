"""Which products the client has registered with the hub, in the State table: one item."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from codat_hub.adapters.state_table import CODAT, ItemKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.adapters.state_table import StateTable

KEY: Final = ItemKey(CODAT, "PRODUCTS")
_MAX_AGE: Final = 60.0  # seconds


class ProductRegistry:
    """The item: `products`, identifier -> `custom` or `standard`. Whoever registers writes it."""

    def __init__(self, table: StateTable, clock: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._clock = clock
        self._kinds: Mapping[str, str] = {}
        self._read_at = float("-inf")

    def kinds(self) -> Mapping[str, str]:
        """Return identifier -> kind, at most a minute old. Raises Unavailable."""
        if self._clock() - self._read_at >= _MAX_AGE:
            self._kinds = self._table.get(KEY).attributes.get("products", {})
            self._read_at = self._clock()
        return self._kinds
