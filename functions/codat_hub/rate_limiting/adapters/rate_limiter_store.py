"""The rate limiter: one item of the State table, so that passing it is one conditional write."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.rate_limiting.domain.breaker import Breaker, Cause
from codat_hub.rate_limiting.domain.pace import Pace
from codat_hub.rate_limiting.domain.rate_limiter import KnownQuota, RateLimiter, Reservation
from codat_hub.storage.items import CODAT, ItemKey, attributes, moment_or_none
from codat_hub.storage.reading import key_text, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.storage.state_table import StateTable

_KEY: Final = ItemKey(CODAT, "GATE")
_LEFT_OUT_WHILE_EMPTY: Final = frozenset({"edges", "pauses", "disproved_at"})


class RateLimiterStore:
    """The limiter's item has five attributes.

    breaker: `{cause, opened_at, probe_at, refused, edges, pauses, disproved_at}`
    calls: `[[second, count]]`, of refreshes
    quota: `{limit, remaining, resets_at, noted_at}`
    reservations: `{holder: [calls, until]}`
    others: `{caller: [[second, count]]}`
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self) -> tuple[RateLimiter, int]:
        """Return the limiter and its version. Raises Unreadable."""
        stored = self._table.get(_KEY)
        return read(key_text(_KEY), _limiter, stored.attributes), stored.version

    def put(self, limiter: RateLimiter, version: int) -> bool:
        """Write over the version that was read, and tell whether it was still that one."""
        return self._table.put(_KEY, _item(limiter), version)

    def replace(self, limiter: RateLimiter) -> bool:
        """Write over the stored limiter, readable or not, and tell whether no other was faster."""
        return self.put(limiter, self._table.get(_KEY).version)


def _item(limiter: RateLimiter) -> dict[str, Any]:
    item = attributes(limiter)
    found = {
        "breaker": {
            name: value
            for name, value in item["breaker"].items()
            if value or name not in _LEFT_OUT_WHILE_EMPTY
        },
        "calls": item["pace"]["calls"],
        "quota": item["quota"],
        "reservations": {
            holder: list(reservation.values())
            for holder, reservation in item["reservations"].items()
        },
    }
    others = {caller: pace["calls"] for caller, pace in item["others"].items()}
    return {**found, "others": others} if others else found


def _limiter(item: Mapping[str, Any]) -> RateLimiter:
    return RateLimiter(
        _breaker(item.get("breaker")),
        _pace(item.get("calls", ())),
        _quota(item.get("quota")),
        {holder: _reservation(row) for holder, row in item.get("reservations", {}).items()},
        {caller: _pace(rows) for caller, rows in item.get("others", {}).items()},
    )


def _pace(rows: Iterable[tuple[Any, Any]]) -> Pace:
    return Pace(tuple((int(second), int(count)) for second, count in rows))


def _breaker(item: Mapping[str, Any] | None) -> Breaker:
    if item is None:
        return Breaker()
    return Breaker(
        cause=Cause(item["cause"]) if item["cause"] else None,
        opened_at=moment_or_none(item["opened_at"]),
        probe_at=moment_or_none(item["probe_at"]),
        refused=tuple(item["refused"]),
        edges=int(item.get("edges", 0)),
        pauses=int(item.get("pauses", 0)),
        disproved_at=moment_or_none(item.get("disproved_at")),
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
    calls, until = row[:2]  # a version before wrote a third value
    return Reservation(int(calls), datetime.fromisoformat(until))
