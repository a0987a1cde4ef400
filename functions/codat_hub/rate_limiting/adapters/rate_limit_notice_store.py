"""What Codat's rate limit events said last, in the State table: one item."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.errors import Unreadable
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimit
from codat_hub.storage.items import CODAT, ItemKey, moment_or_none, spell, spell_or_none
from codat_hub.storage.reading import read, spelt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "RATE_LIMIT")


class RateLimits:
    """The item: `at` and `event_id` of the last event, `reached_until` while calls are barred."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self) -> tuple[RateLimit | None, int]:
        """Return it and its version; None before the first event.

        None too for one that cannot be read: if calls are barred, the next answer says so.
        """
        stored = self._table.get(_KEY)
        if not stored.version:
            return None, 0
        try:
            return read(spelt(_KEY), _rate_limit, stored.attributes), stored.version
        except Unreadable:
            return None, stored.version

    def put(self, limit: RateLimit, version: int) -> bool:
        item = {
            "at": spell(limit.stamp.at),
            "event_id": limit.stamp.event_id,
            "reached_until": spell_or_none(limit.reached_until),
        }
        return self._table.put(_KEY, item, version)


def _rate_limit(item: Mapping[str, Any]) -> RateLimit:
    stamp = Stamp(datetime.fromisoformat(item["at"]), item["event_id"])
    return RateLimit(stamp, moment_or_none(item.get("reached_until")))
