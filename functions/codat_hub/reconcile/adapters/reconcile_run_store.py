"""Keeps the runs of reconcile in the State table, with a note for each step that found drift.

The run: `requested_by`, `requested_at`, `status`, `phase`, `cursor`, `step`, `counts`, `drift`,
`mended`, `unsafe`, `listed`, `integrations`, `unregistered`, `facts`, `started_at`, `finished_at`,
`lease_until`, `waiting_until`, `resumed`, `troubles`, `error`, `confirms`.
A note `DRIFT#{step}`: `rows`, each `{kind, detail, company_id?, product?, subject?, mended}`.
`GONE#{step}`: `companies`: company id -> the time just before Codat answered 404 for it.
`SEEN#{step}`: `ids`, 8 bytes of the SHA-256 of each company id that Codat listed.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import (
    Integration,
    Phase,
    ReconcileRun,
    ReconcileStatus,
)
from codat_hub.storage.items import CODAT, ItemKey, Listed, attributes, moment_or_none, spell
from codat_hub.storage.reading import key_text, read, read_each
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.storage.items import Stored
    from codat_hub.storage.state_table import StateTable

_PRESENT: Final = ItemKey(CODAT, "RECONCILE")
_GROUP: Final = "RECONCILES"
_KEPT: Final = timedelta(days=90)
# Bytes: two of a million companies have the same digest once in 37 million runs.
_DIGEST: Final = 8


class ReconcileRunStore:
    """Stored runs. Raises Unavailable.

    A run's rank in the list is its id, which starts with the time of the request.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, reconcile_id: str) -> tuple[ReconcileRun | None, int]:
        """Return the run and its version; None and 0 if there is none. Raises Unreadable."""
        key = _key(reconcile_id)
        stored = self._table.get(key)
        if not stored.version:
            return None, 0
        return read(key_text(key), _run, reconcile_id, stored), stored.version

    def put(self, run: ReconcileRun, version: int) -> bool:
        """Write over the version that was read. Tells whether it was still current."""
        listed = Listed(_GROUP, run.reconcile_id)
        return self._table.put(_key(run.reconcile_id), _item(run), version, listed)

    def present(self) -> tuple[str | None, int]:
        """Return the id of the newest run, which may be over, and the version for `begin`."""
        stored = self._table.get(_PRESENT)
        return stored.attributes.get("reconcile_id"), stored.version

    def begin(self, run: ReconcileRun, version: int) -> bool:
        """Make a new run the present one. Tells whether it is: another process may be quicker."""
        if not self._table.put(_PRESENT, {"reconcile_id": run.reconcile_id}, version):
            return False
        return self.put(run, version=0)

    def latest(self, before: str | None = None, limit: int = 10) -> list[ReconcileRun]:
        """Return the newest runs first, from before an id on; a brand-new run may be missing."""
        keys = [key for _, key in self._table.latest(_GROUP, before=before, limit=limit)]
        found = read_each({key: _id(key) for key in keys}, self._table.get_many(keys), _run)
        return [found[_id(key)] for key in keys if _id(key) in found]

    def note(self, run: ReconcileRun, drift: Iterable[Drift]) -> None:
        """Keep the drift of the run's present step, in place of an earlier note of the step."""
        key = _key(run.reconcile_id, f"DRIFT#{run.step:06}")
        self._replace(key, {"rows": [_row(found) for found in drift], "expires_at": _expiry(run)})

    def noted(self, run: ReconcileRun) -> tuple[Drift, ...]:
        """Return the drift that an earlier try of the run's present step noted."""
        stored = self._table.get(_key(run.reconcile_id, f"DRIFT#{run.step:06}"))
        return _drift(stored)

    def drift(
        self, run: ReconcileRun, step: int, steps: int
    ) -> list[tuple[int, tuple[Drift, ...]]]:
        """Return the drift of at most `steps` steps from `step` on, in order, with its step."""
        wanted = range(step, min(step + steps, run.step + 1))
        keys = {_key(run.reconcile_id, f"DRIFT#{number:06}"): number for number in wanted}
        found = self._table.get_many(keys)
        return [(number, _drift(found[key])) for key, number in keys.items() if key in found]

    def see(self, run: ReconcileRun, company_ids: Iterable[str]) -> None:
        """Remember that Codat listed these companies in the run's present step."""
        key = _key(run.reconcile_id, f"SEEN#{run.step:06}")
        ids = b"".join(map(_digest, company_ids))
        self._replace(key, {"ids": ids, "expires_at": _expiry(run)})

    def seen(self, reconcile_id: str) -> Seen:
        """Return every company that Codat listed in the run so far."""
        found = self._table.under(_key(reconcile_id, "SEEN#"))
        return Seen(bytes(stored.attributes["ids"]) for _, stored in found)

    def keep_gone(self, run: ReconcileRun, gone: Mapping[str, datetime]) -> None:
        """Remember the companies that Codat answered 404 for in the run's present step."""
        key = _key(run.reconcile_id, f"GONE#{run.step:06}")
        companies = {company_id: spell(asked_at) for company_id, asked_at in gone.items()}
        self._replace(key, {"companies": companies, "expires_at": _expiry(run)})

    def gone(self, reconcile_id: str) -> dict[str, datetime]:
        """Return every company that Codat answered 404 for in the run, with the time of asking."""
        return {
            company_id: datetime.fromisoformat(asked_at)
            for _, stored in self._table.under(_key(reconcile_id, "GONE#"))
            for company_id, asked_at in stored.attributes["companies"].items()
        }

    def _replace(self, key: ItemKey, item: dict[str, Any]) -> None:
        """Write an item whatever it was: every process at the same step writes the same."""
        update(
            lambda: (None, self._table.get(key).version),
            lambda _: item,
            lambda item, version: self._table.put(key, item, version),
            "the findings of a step",
        )


class Seen:
    """A set of company ids; it takes some 100 bytes of memory a company."""

    def __init__(self, digests: Iterable[bytes]) -> None:
        self._known = {
            ids[start : start + _DIGEST] for ids in digests for start in range(0, len(ids), _DIGEST)
        }

    def __contains__(self, company_id: object) -> bool:
        return _digest(str(company_id)) in self._known


def _key(reconcile_id: str, sort: str = "RUN") -> ItemKey:
    return ItemKey(f"RECONCILE#{reconcile_id}", sort)


def _id(key: ItemKey) -> str:
    return key.pk.removeprefix("RECONCILE#")


def _digest(company_id: str) -> bytes:
    return hashlib.sha256(company_id.encode()).digest()[:_DIGEST]


def _expiry(run: ReconcileRun) -> int:
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
    """Return the rows of a note; a kind that only a later version of the hub knows is left out."""
    rows = [row for row in stored.attributes.get("rows", ()) if row["kind"] in DriftKind]
    return tuple(Drift(**(row | {"kind": DriftKind(row["kind"])})) for row in rows)


def _item(run: ReconcileRun) -> dict[str, Any]:
    item = attributes(run)
    del item["reconcile_id"]  # the key has it
    failures = item.pop("failures")
    return {**item, "troubles": failures, "expires_at": _expiry(run)}


def _run(reconcile_id: str, stored: Stored) -> ReconcileRun:
    item = stored.attributes
    return ReconcileRun(
        reconcile_id=reconcile_id,
        requested_by=item["requested_by"],
        requested_at=datetime.fromisoformat(item["requested_at"]),
        status=ReconcileStatus(item["status"]),
        phase=Phase(item["phase"]),
        cursor=item.get("cursor"),
        step=int(item["step"]),
        counts=_integers(item["counts"]),
        drift=_integers(item["drift"]),
        mended=int(item["mended"]),
        unsafe=int(item["unsafe"]),
        listed=_integers(item["listed"]),
        integrations={
            key: Integration(part["name"], int(part["connections"]), int(part["linked"]))
            for key, part in item["integrations"].items()
        },
        unregistered=_integers(item["unregistered"]),
        facts=item["facts"],
        started_at=moment_or_none(item.get("started_at")),
        finished_at=moment_or_none(item.get("finished_at")),
        lease_until=moment_or_none(item.get("lease_until")),
        waiting_until=moment_or_none(item.get("waiting_until")),
        resumed=int(item["resumed"]),
        failures=int(item["troubles"]),
        error=item.get("error"),
        confirms=item.get("confirms"),
    )


def _integers(counts: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts as integers; DynamoDB gives numbers as Decimal."""
    return {name: int(count) for name, count in counts.items()}
