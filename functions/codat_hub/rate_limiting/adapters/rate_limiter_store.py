"""The gate before Codat in the State table: one item, so that passing it is one decision."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.rate_limiting.domain.breaker import Breaker, Cause
from codat_hub.rate_limiting.domain.pace import Pace
from codat_hub.rate_limiting.domain.rate_limiter import Gate, KnownQuota, Reservation
from codat_hub.storage.items import CODAT, ItemKey, moment_or_none, spell, spell_or_none
from codat_hub.storage.reading import read, spelt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "GATE")


class Gates:
    """The item: `breaker` `{cause, opened_at, probe_at, refused}`, `calls` `[[second, count]]`,

    `quota` `{limit, remaining, resets_at, noted_at}`, `reservations` by whom `[calls, until]`.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self) -> tuple[Gate, int]:
        """Return it and its version. Raises Unreadable."""
        stored = self._table.get(_KEY)
        return read(spelt(_KEY), _gate, stored.attributes), stored.version

    def put(self, gate: Gate, version: int) -> bool:
        """Write over the version that was read. Tells whether it was still that one."""
        return self._table.put(_KEY, _item(gate), version)

    def replace(self, gate: Gate) -> bool:
        """Write over whatever is there, readable or not. Tells whether nobody else was faster."""
        return self.put(gate, self._table.get(_KEY).version)


def _item(gate: Gate) -> dict[str, Any]:
    breaker, quota = gate.breaker, gate.quota
    return {
        "breaker": {
            "cause": breaker.cause and breaker.cause.value,
            "opened_at": spell_or_none(breaker.opened_at),
            "probe_at": spell_or_none(breaker.probe_at),
            "refused": list(breaker.refused),
        },
        "calls": [list(one) for one in gate.pace.calls],
        "quota": quota
        and {
            "limit": quota.limit,
            "remaining": quota.remaining,
            "resets_at": spell(quota.resets_at),
            "noted_at": spell(quota.noted_at),
        },
        "reservations": {
            who: [one.calls, spell(one.until)] for who, one in gate.reservations.items()
        },
    }


def _gate(item: Mapping[str, Any]) -> Gate:
    calls = tuple((int(second), int(count)) for second, count in item.get("calls", ()))
    return Gate(
        _breaker(item.get("breaker")),
        Pace(calls),
        _quota(item.get("quota")),
        {who: _reservation(row) for who, row in item.get("reservations", {}).items()},
    )


def _breaker(item: Mapping[str, Any] | None) -> Breaker:
    if item is None:
        return Breaker()
    return Breaker(
        cause=Cause(item["cause"]) if item["cause"] else None,
        opened_at=moment_or_none(item["opened_at"]),
        probe_at=moment_or_none(item["probe_at"]),
        refused=tuple(item["refused"]),
    )


def _quota(item: Mapping[str, Any] | None) -> KnownQuota | None:
    if item is None:
        return None
    return KnownQuota(
        limit=int(item["limit"]),
        remaining=int(item["remaining"]),
        resets_at=datetime.fromisoformat(item["resets_at"]),
        noted_at=datetime.fromisoformat(item["noted_at"]),
    )


def _reservation(row: list[Any]) -> Reservation:
    return Reservation(int(row[0]), datetime.fromisoformat(row[1]))
