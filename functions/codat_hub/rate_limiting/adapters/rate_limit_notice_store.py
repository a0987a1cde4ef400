"""The newest notice of Codat's rate limit events: one item of the State table."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.errors import Unreadable
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.storage.items import CODAT, ItemKey, moment_or_none, spell, spell_or_none
from codat_hub.storage.reading import key_text, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "RATE_LIMIT")


class RateLimitNoticeStore:
    """The item: `at` and `event_id` of the newest event; `reached_until` for a used-up quota."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self) -> tuple[RateLimitNotice | None, int]:
        """Return the notice and its version; None before the first event.

        A notice that cannot be read counts as None: if calls are blocked, the next answer says so.
        """
        stored = self._table.get(_KEY)
        if not stored.version:
            return None, 0
        try:
            return read(key_text(_KEY), _notice, stored.attributes), stored.version
        except Unreadable:
            return None, stored.version

    def put(self, notice: RateLimitNotice, version: int) -> bool:
        """Write over the version that was read, and tell whether it was still that one."""
        item = {
            "at": spell(notice.stamp.at),
            "event_id": notice.stamp.event_id,
            "reached_until": spell_or_none(notice.reached_until),
        }
        return self._table.put(_KEY, item, version)


def _notice(item: Mapping[str, Any]) -> RateLimitNotice:
    stamp = Stamp(datetime.fromisoformat(item["at"]), item["event_id"])
    return RateLimitNotice(stamp, moment_or_none(item.get("reached_until")))
