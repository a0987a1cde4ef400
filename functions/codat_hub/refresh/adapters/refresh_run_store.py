"""The planner's runs: one item of the State table per product and slot, kept for a month."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.refresh.domain.refresh_run import RefreshRun
from codat_hub.storage.items import ItemKey, Listed, attributes, moment_or_none, spell
from codat_hub.storage.reading import key_text, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

UNFINISHED: Final = "RUNS"
_KEPT: Final = timedelta(days=30)


class RefreshRunStore:
    """Each item has the fields of a RefreshRun and `expires_at`; unfinished runs are listed."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, product: str, slot: datetime) -> tuple[RefreshRun | None, int]:
        """Return the run and its version; None and 0 before it begins. Raises Unreadable."""
        key = _key(product, slot)
        stored = self._table.get(key)
        if not stored.version:
            return None, 0
        return read(key_text(key), _run, stored.attributes), stored.version

    def put(self, run: RefreshRun, version: int) -> bool:
        """Write over the version that was read, and tell whether it was still that one."""
        key = _key(run.product, run.slot)
        listed = None if run.done else Listed(UNFINISHED, f"{spell(run.slot)}#{run.product}")
        return self._table.put(key, _item(run), version, listed)

    def put_last(self, product: str, slot: datetime, now: datetime) -> None:
        """List an unfinished run, readable or not, behind all that have waited longer than it."""
        key = _key(product, slot)
        stored = self._table.get(key)
        if stored.version and not stored.attributes.get("done"):
            last = Listed(UNFINISHED, f"{spell(now)}#{product}")
            self._table.put(key, stored.attributes, stored.version, last)

    def unfinished(self) -> list[tuple[str, datetime]]:
        """Return product and slot of up to 100 unfinished runs, in turn: the oldest slot first."""
        keys = [key for _, key in self._table.listed(UNFINISHED)]
        return [(key.pk.removeprefix("RUNS#"), datetime.fromisoformat(key.sk)) for key in keys]


def _key(product: str, slot: datetime) -> ItemKey:
    return ItemKey(f"RUNS#{product}", spell(slot))


def _item(run: RefreshRun) -> dict[str, Any]:
    return {
        **attributes(run),
        "served": run.served or None,
        "skipped_by": dict(run.skipped_by) or None,
        "expires_at": int((run.slot + _KEPT).timestamp()),
    }


def _run(item: Mapping[str, Any]) -> RefreshRun:
    return RefreshRun(
        product=item["product"],
        slot=datetime.fromisoformat(item["slot"]),
        shard=int(item["shard"]),
        after=item.get("after"),
        opened=int(item["opened"]),
        served=int(item.get("served", 0)),
        skipped=int(item["skipped"]),
        skipped_by={reason: int(number) for reason, number in item.get("skipped_by", {}).items()},
        done=item["done"],
        owned_until=moment_or_none(item.get("owned_until")),
        requested_by=item.get("requested_by"),
    )
