"""The ledger of migrations in the State table, under `MIGRATION#{id}`.

    RUN               the head: everything of `Run`, as JSON in `body`
    EPOCH             nothing but its version, which is the epoch: intents are conditional on it
    ENTRY#{name}      one line: everything of `Entry`, as JSON in `body`
    CHUNK#{phase}#{chunk}   what became of a chunk: `Tally`, as JSON in `body`

JSON, because numbers and key order of Codat's settings have to come back as they were.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Superseded, Unavailable
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import Entry
from codat_hub.migration.domain.plan import ProductCount, Survey
from codat_hub.migration.domain.run import (
    Activity,
    FirstLink,
    Mode,
    Pause,
    Request,
    Run,
    Status,
    Stragglers,
    WaitingFor,
)
from codat_hub.storage.items import CODAT, ItemKey, Listed, spell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from codat_hub.storage.state_table import StateTable

_GROUP: Final = "MIGRATIONS"
_LATEST: Final = ItemKey(CODAT, "MIGRATION")
_TRIES: Final = 10  # at a head that others keep changing
_AT_ONCE: Final = 90  # entries in one transaction
_TIMES: Final = (
    "started_at",
    "execution_at",
    "disabled_at",
    "gap_from",
    "gap_to",
    "reads_from",
    "ended_at",
)


class Migrations:
    """Raises Unavailable when the table does not answer as it should."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    # heads

    def get(self, migration_id: str) -> Run | None:
        stored = self._table.get(_run_key(migration_id))
        return _run(stored.attributes) if stored.version else None

    def create(self, run: Run) -> bool:
        """Begin its ledger, with epoch 1. Tells whether there was none of this id."""
        self._table.put(_epoch_key(run.migration_id), {}, 0)
        return self._table.put(_run_key(run.migration_id), _run_item(run), 0, _listed(run))

    def change(self, migration_id: str, change: Callable[[Run], Run]) -> Run:
        """Replace the head by what `change` makes of it; it may be called more than once."""
        key = _run_key(migration_id)
        for _ in range(_TRIES):
            stored = self._table.get(key)
            if not stored.version:
                raise LookupError(f"there is no migration {migration_id}")
            run = _run(stored.attributes)
            changed = change(run)
            if changed == run or self._table.put(
                key, _run_item(changed), stored.version, _listed(changed)
            ):
                return changed
        raise Unavailable(f"{migration_id}: others kept changing its head")

    def newest(self, limit: int = 100) -> list[Run]:
        """Return migrations, the newest first."""
        return list(self._newest(limit))

    def _newest(self, limit: int) -> Iterator[Run]:
        keys = [key for _, key in self._table.listed(_GROUP, limit=10_000)][::-1][:limit]
        for some in batched(keys, 20, strict=False):  # a head is some tens of KB
            found = self._table.get_many(some)
            yield from (_run(found[key].attributes) for key in some if key in found)

    def migrated(self, company_ids: Sequence[str]) -> set[str]:
        """Return those that a complete migration has taken along."""
        left = list(company_ids)
        found: set[str] = set()
        for run in self._newest(10_000):  # dry runs may be many
            if not left:
                break
            if run.status is Status.COMPLETE and not run.request.dry_run:
                names = {f"COMPANY#{one}": one for one in left}
                known = self.entries(run.migration_id, names)
                found |= {names[name] for name, entry in known.items() if entry.before is not None}
                left = [one for one in left if one not in found]
        return found

    def latest(self) -> tuple[str | None, int]:
        """Return which migration was started last, and the version for `take`."""
        stored = self._table.get(_LATEST)
        return stored.attributes.get("migration_id"), stored.version

    def take(self, migration_id: str, version: int) -> bool:
        """Make this the one that was started last. Tells whether nobody else was faster."""
        return self._table.put(_LATEST, {"migration_id": migration_id}, version)

    # epochs

    def epoch(self, migration_id: str) -> int:
        return self._table.get(_epoch_key(migration_id)).version

    def raise_epoch(self, migration_id: str) -> int:
        """Make every intent under the epoch before impossible; return the new one."""
        for _ in range(_TRIES):
            epoch = self.epoch(migration_id)
            if self._table.put(_epoch_key(migration_id), {}, epoch):
                return epoch + 1
        raise Unavailable(f"{migration_id}: others kept raising its epoch")

    # entries

    def entry(self, migration_id: str, name: str) -> Entry:
        return self.entries(migration_id, [name])[name]

    def entries(self, migration_id: str, names: Iterable[str]) -> dict[str, Entry]:
        """Return each; one that is not there is empty."""
        keys = {name: _entry_key(migration_id, name) for name in names}
        found = self._table.get_many(keys.values())
        return {
            name: _entry(found[key].attributes) if key in found else Entry()
            for name, key in keys.items()
        }

    def under(self, migration_id: str, prefix: str) -> dict[str, Entry]:
        """Return every entry whose name starts so, in order of their names."""
        found = self._table.under(_entry_key(migration_id, prefix))
        return {key.sk.removeprefix("ENTRY#"): _entry(one.attributes) for key, one in found}

    def first(self, migration_id: str, name: str, entry: Entry) -> Entry:
        """Write an entry unless there is one; return the one that is there."""
        self._table.put(_entry_key(migration_id, name), _body(asdict(entry)), 0)
        return self.entry(migration_id, name)

    def intend(self, migration_id: str, epoch: int, entries: Mapping[str, Entry]) -> None:
        """Write that these changes are meant, all or none, while the epoch is still this one.

        An entry that is meant already is left as it is. Raises Superseded once the epoch is over.
        """
        keys = {name: _entry_key(migration_id, name) for name in entries}
        stored = self._table.get_many(keys.values())
        puts = []
        for name, key in keys.items():
            known = stored.get(key)
            if known and _entry(known.attributes).intended is not None:
                continue
            meant = entries[name].intend(epoch)
            puts.append((key, _body(asdict(meant)), known.version if known else 0))
        for begin in range(0, max(1, len(puts)), _AT_ONCE):
            some = puts[begin : begin + _AT_ONCE]
            if not self._table.put_while(_epoch_key(migration_id), epoch, some):
                self._refuse(migration_id, epoch)

    def _refuse(self, migration_id: str, epoch: int) -> None:
        now = self.epoch(migration_id)
        if now != epoch:
            raise Superseded(f"{migration_id}: epoch {epoch} is over, it is {now}")
        raise Unavailable(f"{migration_id}: an entry was changed by another at the same time")

    def note(self, migration_id: str, name: str, change: Callable[[Entry], Entry]) -> Entry:
        """Write what came of a change; of two at once, one after the other."""
        key = _entry_key(migration_id, name)
        for _ in range(_TRIES):
            stored = self._table.get(key)
            known = _entry(stored.attributes) if stored.version else Entry()
            changed = change(known)
            if changed == known or self._table.put(key, _body(asdict(changed)), stored.version):
                return changed
        raise Unavailable(f"{migration_id}: others kept changing {name}")

    # chunks

    def tally(self, migration_id: str, phase: str, chunk: str) -> Tally | None:
        stored = self._table.get(_chunk_key(migration_id, phase, chunk))
        return _tally(stored.attributes) if stored.version else None

    def put_tally(self, migration_id: str, phase: str, chunk: str, tally: Tally) -> None:
        """The newest epoch's stands: one that woke up late writes nothing over it."""
        key = _chunk_key(migration_id, phase, chunk)
        for _ in range(_TRIES):
            stored = self._table.get(key)
            if stored.version and _tally(stored.attributes).epoch > tally.epoch:
                return
            if self._table.put(key, _body(asdict(tally)), stored.version):
                return
        raise Unavailable(f"{migration_id}: others kept changing {phase} of {chunk}")

    def tallies(self, migration_id: str, phase: str, listing: str = "") -> list[Tally]:
        found = self._table.under(_chunk_key(migration_id, phase, listing))
        return [_tally(one.attributes) for _, one in found]


def _run_key(migration_id: str) -> ItemKey:
    return ItemKey(f"MIGRATION#{migration_id}", "RUN")


def _epoch_key(migration_id: str) -> ItemKey:
    return ItemKey(f"MIGRATION#{migration_id}", "EPOCH")


def _entry_key(migration_id: str, name: str) -> ItemKey:
    return ItemKey(f"MIGRATION#{migration_id}", f"ENTRY#{name}")


def _chunk_key(migration_id: str, phase: str, chunk: str) -> ItemKey:
    return ItemKey(f"MIGRATION#{migration_id}", f"CHUNK#{phase}#{chunk}")


def _listed(run: Run) -> Listed:
    return Listed(_GROUP, f"{spell(run.started_at)} {run.migration_id}")


def _body(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"body": json.dumps(value, default=_text)}


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return spell(value)
    raise TypeError(f"{type(value).__name__} is nothing that the ledger keeps")


def _run_item(run: Run) -> dict[str, Any]:
    """With the token: whoever reads the table could end a wait, and so could change the table."""
    return {"status": run.status.value, "migration_id": run.migration_id, **_body(asdict(run))}


def _run(item: Mapping[str, Any]) -> Run:
    body: dict[str, Any] = json.loads(item["body"])
    asked, pause = body["request"], body["pause"]
    # a head that was written before a deployment lacks what came with it
    times: dict[str, Any] = {
        name: body[name] and datetime.fromisoformat(body[name]) for name in _TIMES if name in body
    }
    return Run(
        **{
            **body,
            **times,
            "request": Request(
                **{
                    **asked,
                    "products": tuple(asked["products"]),
                    "company_ids": None
                    if asked["company_ids"] is None
                    else tuple(asked["company_ids"]),
                    "mode": Mode(asked["mode"]),
                    "fetch_on_first_link": FirstLink(asked["fetch_on_first_link"]),
                    "stragglers": Stragglers(asked["stragglers"]),
                }
            ),
            "status": Status(body["status"]),
            "reached": body["reached"] and Activity(body["reached"]),
            "pause": pause
            and Pause(
                WaitingFor(pause["waiting_for"]),
                datetime.fromisoformat(pause["since"]),
                pause["token"],
                tuple(pause["instructions"]),
            ),
            "notes": tuple(body["notes"]),
        }
    )


def _entry(item: Mapping[str, Any]) -> Entry:
    return Entry(**json.loads(item["body"]))


def _tally(item: Mapping[str, Any]) -> Tally:
    body: dict[str, Any] = json.loads(item["body"])
    survey = body["survey"]
    return Tally(
        **{
            **body,
            "reasons": tuple(body["reasons"]),
            "survey": survey
            and Survey(
                **{
                    **survey,
                    "overriding": tuple(survey["overriding"]),
                    "unlinked": tuple(survey["unlinked"]),
                    "digests": tuple(survey["digests"]),
                    "products": {
                        name: ProductCount(**one) for name, one in survey["products"].items()
                    },
                }
            ),
        }
    )
