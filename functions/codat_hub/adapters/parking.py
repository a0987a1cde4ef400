"""Webhooks that can never be projected, noted in the State table under their webhook-id."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.adapters.state_table import ItemKey, spell

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.adapters.state_table import StateTable

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
        self._table.put(ItemKey("PARKED", webhook_id), item, version=0)
