"""What Codat's rate limit events said last, in the State table: one item."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from codat_hub.adapters.state_table import CODAT, ItemKey, moment_or_none, spell, spell_or_none
from codat_hub.domain.company import Stamp
from codat_hub.domain.rate_limit import RateLimit

if TYPE_CHECKING:
    from codat_hub.adapters.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "RATE_LIMIT")


class RateLimits:
    """The item: `at` and `event_id` of the last event, `reached_until` while calls are barred."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self) -> tuple[RateLimit | None, int]:
        stored = self._table.get(_KEY)
        if not stored.version:
            return None, 0
        item = stored.attributes
        stamp = Stamp(datetime.fromisoformat(item["at"]), item["event_id"])
        return RateLimit(stamp, moment_or_none(item.get("reached_until"))), stored.version

    def put(self, limit: RateLimit, version: int) -> bool:
        item = {
            "at": spell(limit.stamp.at),
            "event_id": limit.stamp.event_id,
            "reached_until": spell_or_none(limit.reached_until),
        }
        return self._table.put(_KEY, item, version)
