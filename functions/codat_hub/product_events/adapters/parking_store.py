"""Webhooks that can never be projected, noted in the State table under their webhook-id."""

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


class Parking:
    """Items: `reason`, `parked_at`, `expires_at` (TTL, epoch seconds); the inbox has the body."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def park(self, webhook_id: str, reason: str, now: datetime) -> None:
        """Note it once; parking it again changes nothing. Raises Unavailable."""
        item = {
            "reason": reason[:_LONGEST],
            "parked_at": spell(now),
            "expires_at": int((now + _KEPT).timestamp()),
        }
        self._table.put(ItemKey(_PARKED, webhook_id), item, version=0)

    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """Return some parked webhook-ids, and what to give as `after` next; None at the end."""
        found = self._table.page(ItemKey(_PARKED, after or ""), limit)
        webhook_ids = [key.sk for key in found]
        return webhook_ids, webhook_ids[-1] if len(found) == limit else None

    def unpark(self, webhook_id: str) -> None:
        """Forget that it was parked, if it was. Raises Unavailable."""
        self._table.delete(ItemKey(_PARKED, webhook_id))
