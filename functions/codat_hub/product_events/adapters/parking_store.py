"""Lists, in the State table, the webhooks that cannot be projected."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.storage.items import ItemKey, spell

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.storage.state_table import StateTable

_PARKED: Final = "PARKED"
_KEPT: Final = timedelta(days=90)
_LONGEST: Final = 500  # characters of a reason


class ParkingStore:
    """Stores an item per webhook-id, or entry of a webhook; the inbox has the body.

    Attributes: `reason`, `parked_at`, `expires_at` (TTL, epoch seconds).
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def park(self, key: str, reason: str, now: datetime) -> None:
        """Park a webhook or an entry; parking it again changes nothing. Raises Unavailable."""
        item = {
            "reason": reason[:_LONGEST],
            "parked_at": spell(now),
            "expires_at": int((now + _KEPT).timestamp()),
        }
        self._table.put(ItemKey(_PARKED, key), item, version=0)

    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """Return parked keys and the next page's `after`, None after the last page."""
        keys = [key.sk for key in self._table.page(ItemKey(_PARKED, after or ""), limit)]
        return keys, keys[-1] if len(keys) == limit else None

    def unpark(self, key: str) -> None:
        """Remove a webhook or an entry from the list, if it is parked. Raises Unavailable."""
        self._table.delete(ItemKey(_PARKED, key))
