"""Stores replays in the State table for 90 days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.product_events.domain.replay import (
    Parked,
    ReceivedBetween,
    Replay,
    ReplayStatus,
    Selection,
    WebhookIds,
    parse_selection,
)
from codat_hub.storage.items import ItemKey, attributes, spell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEPT: Final = timedelta(days=90)


class ReplayStore:
    """Stores one item per replay.

    Attributes: `replay_id`, `selection` (as the API takes it), `requested_by`, `requested_at`,
    `updated_at`, `status`, `counts`, `cursor`, `error`, `expires_at` (TTL, epoch seconds).
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, replay_id: str) -> tuple[Replay | None, int]:
        """Return a replay and its version, None and 0 if there is none. Raises Unavailable."""
        stored = self._table.get(_key(replay_id))
        return (_replay(stored.attributes) if stored.version else None), stored.version

    def put(self, replay: Replay, version: int) -> bool:
        """Write over the version that was read; return False if another writer was faster."""
        return self._table.put(_key(replay.replay_id), _item(replay), version)


def _selection(selection: Selection) -> dict[str, Any]:
    """Return a selection as `parse_selection` reads it."""
    match selection:
        case WebhookIds(ids):
            return {"webhook_ids": list(ids)}
        case Parked():
            return {"parked": True}
        case ReceivedBetween(since, until, company_id, product):
            times = {"received_from": spell(since), "received_to": spell(until)}
            optional = {"company_id": company_id, "product": product}
            return times | {name: text for name, text in optional.items() if text is not None}


def _key(replay_id: str) -> ItemKey:
    return ItemKey(f"REPLAY#{replay_id}", "RUN")


def _item(replay: Replay) -> dict[str, Any]:
    return {
        **attributes(replay),
        "selection": _selection(replay.selection),
        "expires_at": int((replay.requested_at + _KEPT).timestamp()),
    }


def _replay(item: Mapping[str, Any]) -> Replay:
    return Replay(
        replay_id=item["replay_id"],
        selection=parse_selection(item["selection"]),
        requested_by=item["requested_by"],
        requested_at=datetime.fromisoformat(item["requested_at"]),
        updated_at=datetime.fromisoformat(item["updated_at"]),
        status=ReplayStatus(item["status"]),
        counts={outcome: int(count) for outcome, count in item["counts"].items()},
        cursor=item.get("cursor"),
        error=item.get("error"),
    )
