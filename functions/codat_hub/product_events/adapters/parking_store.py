"""Lists, in the State table, the webhooks that cannot be projected."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from codat_hub.storage.items import ItemKey, Listed, spell

if TYPE_CHECKING:
    from codat_hub.storage.state_table import StateTable

_PARKED: Final = "PARKED"
_LONGEST: Final = 500  # characters of a reason


class ParkingStore:
    """Stores an item per webhook-id, or entry of a webhook; the inbox has the body.

    Attributes: `reason`, `parked_at`, `expires_at` (TTL, epoch seconds): that of the inbox item,
    without which nothing can be replayed. The index lists the items in the order they expire; those
    of the first version of the hub, which kept them for 90 days, are not in it.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def park(self, key: str, reason: str, now: datetime, until: datetime | None = None) -> None:
        """Park a webhook or an entry; parking it again changes nothing. Raises Unavailable.

        until: when the inbox drops the webhook; None: never
        """
        item = {
            "reason": reason[:_LONGEST],
            "parked_at": spell(now),
            "expires_at": None if until is None else int(until.timestamp()),
        }
        listed = None if until is None else Listed(_PARKED, f"{spell(until)}#{key}")
        self._table.put(ItemKey(_PARKED, key), item, version=0, listed=listed)

    def expiring(self, after: datetime, before: datetime, limit: int) -> list[datetime]:
        """Return when parked webhooks and entries expire, the first `limit` within these bounds.

        Raises Unavailable.
        """
        found = self._table.listed(_PARKED, after=spell(after), up_to=spell(before), limit=limit)
        return [datetime.fromisoformat(rank.partition("#")[0]) for rank, _ in found]

    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """Return parked keys and the next page's `after`, None after the last page."""
        keys = [key.sk for key in self._table.page(ItemKey(_PARKED, after or ""), limit)]
        return keys, keys[-1] if len(keys) == limit else None

    def unpark(self, key: str) -> None:
        """Remove a webhook or an entry from the list, if it is parked. Raises Unavailable."""
        self._table.delete(ItemKey(_PARKED, key))
