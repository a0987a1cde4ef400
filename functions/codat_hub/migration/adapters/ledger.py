"""The ledger of migrations in the State table, under `MIGRATION#{id}`.

    RUN               the head: a MigrationRun, as JSON in `body`
    EPOCH             an empty item; its version is the epoch that intents are conditional on
    ENTRY#{name}      a LedgerEntry, as JSON in `body`
    CHUNK#{phase}#{chunk}   a Tally, as JSON in `body`

JSON keeps the numbers and the key order of Codat's settings, which are posted back as they were.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from itertools import batched, islice, takewhile
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Superseded, Unavailable
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.plan import ProductCount, Survey
from codat_hub.migration.domain.run import (
    Activity,
    FirstLink,
    MigrationRequest,
    MigrationRun,
    MigrationStatus,
    Mode,
    Pause,
    Stragglers,
    WaitingFor,
)
from codat_hub.storage.items import CODAT, ItemKey, Listed, spell
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from codat_hub.storage.state_table import StateTable

_GROUP: Final = "MIGRATIONS"
_LATEST: Final = ItemKey(CODAT, "MIGRATION")
_PAGE: Final = 1000  # names
_HEADS: Final = 20  # read at once; each has some tens of KB
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


class MigrationLedger:
    """The State table as the ledger. Raises Unavailable if the table does not answer."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    # heads

    def get(self, migration_id: str) -> MigrationRun | None:
        """Return the head of a migration, None if there is none."""
        stored = self._table.get(_run_key(migration_id))
        return _run(stored.attributes) if stored.version else None

    def create(self, run: MigrationRun) -> bool:
        """Write a new head, with epoch 1. Tells whether there was none of this id."""
        self._table.put(_epoch_key(run.migration_id), {}, 0)
        return self._table.put(_run_key(run.migration_id), _run_item(run), 0, _listed(run))

    def change(
        self, migration_id: str, change: Callable[[MigrationRun], MigrationRun]
    ) -> MigrationRun:
        """Change the head of a migration and return it. Raises LookupError if there is none.

        change: returns the new head; it runs again after a lost race
        """
        key = _run_key(migration_id)

        def read() -> tuple[MigrationRun, int]:
            stored = self._table.get(key)
            if not stored.version:
                raise LookupError(f"there is no migration {migration_id}")
            return _run(stored.attributes), stored.version

        def write(run: MigrationRun, version: int) -> bool:
            return self._table.put(key, _run_item(run), version, _listed(run))

        done = update(read, _if_new(change), write, f"migration {migration_id}")
        return done.after or done.before

    def newest(self, limit: int = 100) -> list[MigrationRun]:
        """Return the heads of migrations, the newest first."""
        return list(self._newest(limit))

    def since(self, started_at: datetime) -> Iterator[MigrationRun]:
        """Yield the heads of the migrations that were started later, the newest first."""
        return takewhile(lambda run: run.started_at > started_at, self._newest(10_000))

    def _newest(self, limit: int) -> Iterator[MigrationRun]:
        before, left = None, limit
        while left:
            found = self._table.latest(_GROUP, before=before, limit=min(left, _HEADS))
            if not found:
                return
            keys = [key for _, key in found]
            stored = self._table.get_many(keys)
            yield from (_run(stored[key].attributes) for key in keys if key in stored)
            before, left = found[-1][0], left - len(found)

    def migrated(self, company_ids: Sequence[str]) -> set[str]:
        """Return the companies that a complete migration covered."""
        left = set(company_ids)
        found: set[str] = set()
        for run in self._newest(10_000):  # there may be many dry runs
            if not left:
                break
            if run.status is MigrationStatus.COMPLETE and not run.request.dry_run:
                names = {f"COMPANY#{company_id}": company_id for company_id in left}
                entries = self.entries(run.migration_id, names)
                known = {names[name] for name, entry in entries.items() if entry.before is not None}
                found |= known
                left -= known
        return found

    def latest(self) -> tuple[str | None, int]:
        """Return the migration that was started last, and the version for `take`."""
        stored = self._table.get(_LATEST)
        return stored.attributes.get("migration_id"), stored.version

    def take(self, migration_id: str, version: int) -> bool:
        """Make this the latest migration. Tells whether the version was still that one."""
        return self._table.put(_LATEST, {"migration_id": migration_id}, version)

    # epochs

    def epoch(self, migration_id: str) -> int:
        """Return the epoch of a migration, 0 if there is no such migration."""
        return self._table.get(_epoch_key(migration_id)).version

    def raise_epoch(self, migration_id: str) -> int:
        """Raise the epoch and return it. Intents under the epoch before are refused from now on."""

        def read() -> tuple[int, int]:
            epoch = self.epoch(migration_id)
            return epoch, epoch

        def write(_raised: int, version: int) -> bool:
            return self._table.put(_epoch_key(migration_id), {}, version)

        what = f"the epoch of migration {migration_id}"
        return update(read, lambda epoch: epoch + 1, write, what).before + 1

    # entries

    def entry(self, migration_id: str, name: str) -> LedgerEntry:
        """Return one entry, empty if it is not there."""
        return self.entries(migration_id, [name])[name]

    def entries(self, migration_id: str, names: Iterable[str]) -> dict[str, LedgerEntry]:
        """Return the entries by name; an entry that is not there is empty."""
        keys = {name: _entry_key(migration_id, name) for name in names}
        stored = self._table.get_many(keys.values())
        return {
            name: _entry(stored[key].attributes) if key in stored else LedgerEntry()
            for name, key in keys.items()
        }

    def under(self, migration_id: str, prefix: str) -> dict[str, LedgerEntry]:
        """Return every entry whose name starts with the prefix, in the order of the names."""
        items = self._table.under(_entry_key(migration_id, prefix))
        return {key.sk.removeprefix("ENTRY#"): _entry(stored.attributes) for key, stored in items}

    def names_under(self, migration_id: str, prefix: str) -> Iterator[str]:
        """Yield the names of entries that start with the prefix, in their order, by pages."""
        first = _entry_key(migration_id, prefix)
        place = ItemKey(first.pk, first.sk)
        while keys := self._table.page(place, _PAGE):
            for key in keys:
                if not key.sk.startswith(first.sk):
                    return
                yield key.sk.removeprefix("ENTRY#")
            place = keys[-1]

    def ours(self, migration_id: str, limit: int, looked_at: int | None = None) -> list[str]:
        """Return the names of up to `limit` entries that no undo has taken back.

        It reads page by page: the entries of 100,000 companies fit into no function's memory.

        looked_at: how many entries to look at, from the first; None: all
        """
        found: list[str] = []
        looked = islice(self.names_under(migration_id, ""), looked_at)
        for names in batched(looked, _AT_ONCE, strict=False):
            entries = self.entries(migration_id, names)
            found += [name for name in names if entries[name].ours]
            if len(found) >= limit:
                break
        return found[:limit]

    def first(self, migration_id: str, name: str, entry: LedgerEntry) -> LedgerEntry:
        """Write an entry unless there is one. Returns the entry that is there afterwards."""
        self._table.put(_entry_key(migration_id, name), _body(asdict(entry)), 0)
        return self.entry(migration_id, name)

    def intend(self, migration_id: str, epoch: int, entries: Mapping[str, LedgerEntry]) -> None:
        """Write the intents of these changes, all or none, if the epoch is still this one.

        An entry that is ours is left as it is; one that was undone is ours again. Raises
        Superseded once the epoch is over.
        """
        keys = {name: _entry_key(migration_id, name) for name in entries}
        stored = self._table.get_many(keys.values())
        puts = []
        for name, key in keys.items():
            known = stored.get(key)
            entry = _entry(known.attributes) if known else entries[name]
            if entry.ours:
                continue
            intended = entry.intend(epoch)
            puts.append((key, _body(asdict(intended)), known.version if known else 0))
        for begin in range(0, max(1, len(puts)), _AT_ONCE):
            batch = puts[begin : begin + _AT_ONCE]
            if not self._table.put_while(_epoch_key(migration_id), epoch, batch):
                self._refuse(migration_id, epoch)

    def _refuse(self, migration_id: str, epoch: int) -> None:
        """Raise the reason why an intent was not written."""
        now = self.epoch(migration_id)
        if now != epoch:
            raise Superseded(f"{migration_id}: epoch {epoch} is over, it is {now}")
        raise Unavailable(f"{migration_id}: another writer changed an entry at the same time")

    def note(
        self, migration_id: str, name: str, change: Callable[[LedgerEntry], LedgerEntry]
    ) -> LedgerEntry:
        """Change an entry and return it.

        change: returns the new entry; it runs again after a lost race
        """
        key = _entry_key(migration_id, name)

        def read() -> tuple[LedgerEntry, int]:
            stored = self._table.get(key)
            entry = _entry(stored.attributes) if stored.version else LedgerEntry()
            return entry, stored.version

        def write(entry: LedgerEntry, version: int) -> bool:
            return self._table.put(key, _body(asdict(entry)), version)

        done = update(read, _if_new(change), write, f"{name} of migration {migration_id}")
        return done.after or done.before

    # chunks

    def tally(self, migration_id: str, phase: str, chunk: str) -> Tally | None:
        """Return the tally of a chunk in a phase, None if there is none."""
        return self._tally(_chunk_key(migration_id, phase, chunk))[0]

    def put_tally(self, migration_id: str, phase: str, chunk: str, tally: Tally) -> None:
        """Write a tally, unless there is one of a newer epoch."""
        key = _chunk_key(migration_id, phase, chunk)

        def newer(known: Tally | None) -> Tally | None:
            return None if known and known.epoch > tally.epoch else tally

        def write(tally: Tally, version: int) -> bool:
            facts = asdict(tally)
            if not tally.unsettled:
                del facts["unsettled"]
            return self._table.put(key, _body(facts), version)

        update(lambda: self._tally(key), newer, write, f"{phase} of {chunk} of {migration_id}")

    def tallies(self, migration_id: str, phase: str, listing: str = "") -> list[Tally]:
        """Return all tallies of a phase whose chunk's name starts with `listing`."""
        items = self._table.under(_chunk_key(migration_id, phase, listing))
        return [_tally(stored.attributes) for _, stored in items]

    def _tally(self, key: ItemKey) -> tuple[Tally | None, int]:
        stored = self._table.get(key)
        return _tally(stored.attributes) if stored.version else None, stored.version


def _if_new[T](change: Callable[[T], T]) -> Callable[[T], T | None]:
    """Return the change, with None for a value that stays the same: `update` writes nothing."""

    def changed(value: T) -> T | None:
        after = change(value)
        return None if after == value else after

    return changed


def _run_key(migration_id: str) -> ItemKey:
    return ItemKey(f"MIGRATION#{migration_id}", "RUN")


def _epoch_key(migration_id: str) -> ItemKey:
    return ItemKey(f"MIGRATION#{migration_id}", "EPOCH")


def _entry_key(migration_id: str, name: str) -> ItemKey:
    return ItemKey(f"MIGRATION#{migration_id}", f"ENTRY#{name}")


def _chunk_key(migration_id: str, phase: str, chunk: str) -> ItemKey:
    return ItemKey(f"MIGRATION#{migration_id}", f"CHUNK#{phase}#{chunk}")


def _listed(run: MigrationRun) -> Listed:
    return Listed(_GROUP, f"{spell(run.started_at)} {run.migration_id}")


def _body(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"body": json.dumps(_without_new_defaults(value), default=_text)}


def _without_new_defaults(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out new fields that say nothing: the version before refuses fields it does not know."""
    if (request := value.get("request")) and request.get("quiet_hours", 0) is None:
        kept = {name: fact for name, fact in request.items() if name != "quiet_hours"}
        return {**value, "request": kept}
    if (survey := value.get("survey")) and survey.get("locked") == ():
        kept = {name: fact for name, fact in survey.items() if name != "locked"}
        return {**value, "survey": kept}
    return value


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return spell(value)
    raise TypeError(f"the ledger cannot keep a {type(value).__name__}")


def _run_item(run: MigrationRun) -> dict[str, Any]:
    """Return the item of a head. With its token, a reader of the table can end a wait."""
    return {"status": run.status.value, "migration_id": run.migration_id, **_body(asdict(run))}


def _run(item: Mapping[str, Any]) -> MigrationRun:
    body: dict[str, Any] = json.loads(item["body"])
    request, pause = body["request"], body["pause"]
    # A head from before a deployment lacks the fields that came with it.
    times: dict[str, Any] = {
        name: body[name] and datetime.fromisoformat(body[name]) for name in _TIMES if name in body
    }
    return MigrationRun(
        **{
            **body,
            **times,
            "request": MigrationRequest(
                **{
                    **request,
                    "products": tuple(request["products"]),
                    "company_ids": None
                    if request["company_ids"] is None
                    else tuple(request["company_ids"]),
                    "mode": Mode(request["mode"]),
                    "fetch_on_first_link": FirstLink(request["fetch_on_first_link"]),
                    "stragglers": Stragglers(request["stragglers"]),
                }
            ),
            "status": MigrationStatus(body["status"]),
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


def _entry(item: Mapping[str, Any]) -> LedgerEntry:
    return LedgerEntry(**json.loads(item["body"]))


def _tally(item: Mapping[str, Any]) -> Tally:
    body: dict[str, Any] = json.loads(item["body"])
    survey = body["survey"]
    return Tally(
        **{
            **body,
            "reasons": tuple(body["reasons"]),
            "unsettled": tuple(body.get("unsettled", ())),
            "survey": survey
            and Survey(
                **{
                    **survey,
                    "overriding": tuple(survey["overriding"]),
                    "unlinked": tuple(survey["unlinked"]),
                    "locked": tuple(survey.get("locked", ())),
                    "digests": tuple(survey["digests"]),
                    "products": {
                        name: ProductCount(**count) for name, count in survey["products"].items()
                    },
                }
            ),
        }
    )
