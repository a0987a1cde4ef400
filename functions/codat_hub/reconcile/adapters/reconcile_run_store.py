"""Runs of reconcile in the State table: one item per run, one note per step that found drift.

The run: `requested_by`, `requested_at`, `status`, `phase`, `cursor`, `step`, `counts`, `drift`,
`mended`, `unsafe`, `listed`, `integrations`, `unregistered`, `facts`, `started_at`, `finished_at`,
`lease_until`, `waiting_until`, `resumed`, `troubles`, `error`.
A note `DRIFT#{step}`: `rows`, each `{kind, detail, company_id?, product?, subject?, mended}`.
`SEEN#{step}`: `ids`, 8 bytes of the SHA-256 of each company id that Codat listed.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.reconcile.domain.drift import Drift, Kind
from codat_hub.reconcile.domain.reconcile_run import Integration, Phase, Run, Status
from codat_hub.storage.items import CODAT, ItemKey, Listed, moment_or_none, spell, spell_or_none
from codat_hub.storage.reading import read, read_each, spelt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.storage.items import Stored
    from codat_hub.storage.state_table import StateTable

_PRESENT: Final = ItemKey(CODAT, "RECONCILE")
_GROUP: Final = "RECONCILES"
_KEPT: Final = timedelta(days=90)
_DIGEST: Final = 8  # bytes; two of a million companies collide once in 37 million runs


class ReconcileRuns:
    """A run's rank is its id, which starts with the time it was asked for."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, reconcile_id: str) -> tuple[Run | None, int]:
        """Return it and its version; None and 0 if there is none.

        Raises Unavailable, Unreadable.
        """
        key = _key(reconcile_id)
        stored = self._table.get(key)
        if not stored.version:
            return None, 0
        return read(spelt(key), _run, reconcile_id, stored), stored.version

    def put(self, run: Run, version: int) -> bool:
        """Write over the version that was read. Tells whether it was still that one."""
        listed = Listed(_GROUP, run.reconcile_id)
        return self._table.put(_key(run.reconcile_id), _item(run), version, listed)

    def present(self) -> tuple[str | None, int]:
        """Return the id of the run begun last, which may be over, and the version for `begin`."""
        stored = self._table.get(_PRESENT)
        return stored.attributes.get("reconcile_id"), stored.version

    def begin(self, run: Run, version: int) -> bool:
        """Make it the present run, if nobody else was quicker. Tells whether it is."""
        if not self._table.put(_PRESENT, {"reconcile_id": run.reconcile_id}, version):
            return False
        return self.put(run, version=0)

    def latest(self, before: str | None = None, limit: int = 10) -> list[Run]:
        """Return the newest first, those before the id given. A brand-new one may lack yet."""
        keys = [key for _, key in self._table.latest(_GROUP, before=before, limit=limit)]
        found = read_each({key: _id(key) for key in keys}, self._table.get_many(keys), _run)
        return [found[_id(key)] for key in keys if _id(key) in found]

    def note(self, run: Run, drift: Iterable[Drift]) -> None:
        """Keep what the run's present step found; the step's earlier note is replaced."""
        key = _key(run.reconcile_id, f"DRIFT#{run.step:06}")
        item = {"rows": [_row(one) for one in drift], "expires_at": _expiry(run)}
        while not self._table.put(key, item, self._table.get(key).version):
            pass  # whoever else is at this step notes the same

    def noted(self, run: Run) -> tuple[Drift, ...]:
        """Return what an earlier try of the run's present step noted."""
        stored = self._table.get(_key(run.reconcile_id, f"DRIFT#{run.step:06}"))
        return _drift(stored)

    def drift(self, run: Run, step: int, steps: int) -> list[tuple[int, tuple[Drift, ...]]]:
        """Return the drift of some steps, in order: from one on, at most so many."""
        wanted = range(step, min(step + steps, run.step + 1))
        keys = {_key(run.reconcile_id, f"DRIFT#{one:06}"): one for one in wanted}
        found = self._table.get_many(keys)
        return [(one, _drift(found[key])) for key, one in keys.items() if key in found]

    def see(self, run: Run, company_ids: Iterable[str]) -> None:
        """Remember that Codat listed these companies."""
        key = _key(run.reconcile_id, f"SEEN#{run.step:06}")
        item = {"ids": b"".join(map(_digest, company_ids)), "expires_at": _expiry(run)}
        self._table.put(key, item, self._table.get(key).version)

    def seen(self, reconcile_id: str) -> Seen:
        """Return what `see` remembered, all of it."""
        found = self._table.under(_key(reconcile_id, "SEEN#"))
        return Seen(bytes(one.attributes["ids"]) for _, one in found)


class Seen:
    """A set of company ids; memory: some 100 bytes a company."""

    def __init__(self, digests: Iterable[bytes]) -> None:
        self._known = {
            ids[place : place + _DIGEST] for ids in digests for place in range(0, len(ids), _DIGEST)
        }

    def __contains__(self, company_id: object) -> bool:
        return _digest(str(company_id)) in self._known


def _key(reconcile_id: str, sort: str = "RUN") -> ItemKey:
    return ItemKey(f"RECONCILE#{reconcile_id}", sort)


def _id(key: ItemKey) -> str:
    return key.pk.removeprefix("RECONCILE#")


def _digest(company_id: str) -> bytes:
    return hashlib.sha256(company_id.encode()).digest()[:_DIGEST]


def _expiry(run: Run) -> int:
    return int((run.requested_at + _KEPT).timestamp())


def _row(drift: Drift) -> dict[str, Any]:
    row = {
        "kind": drift.kind.value,
        "detail": drift.detail,
        "company_id": drift.company_id,
        "product": drift.product,
        "subject": drift.subject,
        "mended": drift.mended,
    }
    return {name: value for name, value in row.items() if value is not None}


def _drift(stored: Stored) -> tuple[Drift, ...]:
    rows = stored.attributes.get("rows", ())
    return tuple(Drift(**(row | {"kind": Kind(row["kind"])})) for row in rows)


def _item(run: Run) -> dict[str, Any]:
    return {
        "requested_by": run.requested_by,
        "requested_at": spell(run.requested_at),
        "status": run.status.value,
        "phase": run.phase.value,
        "cursor": run.cursor,
        "step": run.step,
        "counts": dict(run.counts),
        "drift": dict(run.drift),
        "mended": run.mended,
        "unsafe": run.unsafe,
        "listed": dict(run.listed),
        "integrations": {
            key: {"name": one.name, "connections": one.connections, "linked": one.linked}
            for key, one in run.integrations.items()
        },
        "unregistered": dict(run.unregistered),
        "facts": dict(run.facts),
        "started_at": spell_or_none(run.started_at),
        "finished_at": spell_or_none(run.finished_at),
        "lease_until": spell_or_none(run.lease_until),
        "waiting_until": spell_or_none(run.waiting_until),
        "resumed": run.resumed,
        "troubles": run.troubles,
        "error": run.error,
        "expires_at": _expiry(run),
    }


def _run(reconcile_id: str, stored: Stored) -> Run:
    item = stored.attributes
    return Run(
        reconcile_id=reconcile_id,
        requested_by=item["requested_by"],
        requested_at=datetime.fromisoformat(item["requested_at"]),
        status=Status(item["status"]),
        phase=Phase(item["phase"]),
        cursor=item.get("cursor"),
        step=int(item["step"]),
        counts=_whole(item["counts"]),
        drift=_whole(item["drift"]),
        mended=int(item["mended"]),
        unsafe=int(item["unsafe"]),
        listed=_whole(item["listed"]),
        integrations={
            key: Integration(one["name"], int(one["connections"]), int(one["linked"]))
            for key, one in item["integrations"].items()
        },
        unregistered=_whole(item["unregistered"]),
        facts=item["facts"],
        started_at=moment_or_none(item.get("started_at")),
        finished_at=moment_or_none(item.get("finished_at")),
        lease_until=moment_or_none(item.get("lease_until")),
        waiting_until=moment_or_none(item.get("waiting_until")),
        resumed=int(item["resumed"]),
        troubles=int(item["troubles"]),
        error=item.get("error"),
    )


def _whole(counts: Mapping[str, Any]) -> dict[str, int]:
    """DynamoDB gives numbers as Decimal."""
    return {name: int(count) for name, count in counts.items()}
