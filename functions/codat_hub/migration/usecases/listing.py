"""Which companies: Codat's list, page by page from a cursor, cut into chunks in S3."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from codat_hub.migration.domain.chunk import Member, chunks_of
from codat_hub.migration.usecases.context import Answer, company_entry

if TYPE_CHECKING:
    from codat_hub.migration.domain.chunk import Found
    from codat_hub.migration.domain.run import Run
    from codat_hub.migration.usecases.context import Command, Parts

PAGES_AT_ONCE: Final = 50  # in one part of the listing: 5,000 companies, half a megabyte
LATE_ROUNDS: Final = 5  # of looking for companies that appeared meanwhile


def list_companies(parts: Parts, command: Command, listing: str) -> Answer:
    """List what the run covers. Answers `again` until it is done; a retry goes on at the cursor."""
    cursor = parts.ledger.entry(command.migration_id, _name(listing))
    done = dict(cursor.detail or {"page": 1, "parts": 0, "left_behind": 0})
    run = parts.run(command.migration_id)
    if cursor.outcome != "listed":
        more = _list_part(parts, command, run, listing, done)
        parts.ledger.note(
            command.migration_id, _name(listing), lambda one: replace(one, detail=dict(done))
        )
        if more:
            return Answer("again")
        _cut(parts, command, listing, done)
    return Answer(
        manifest=manifest_key(command.migration_id, listing), listing=listing, epoch=command.epoch
    )


def _list_part(
    parts: Parts, command: Command, run: Run, listing: str, done: dict[str, Any]
) -> bool:
    """Write one part; tell whether there are more. Moves the cursor in `done`."""
    members: list[dict[str, Any]] = []
    more = True
    for _ in range(PAGES_AT_ONCE):
        found, more = parts.codat.companies_page(done["page"])
        done["page"] += 1
        covered = [one for one in found if run.request.covers(one.company_id, one.tags)]
        if listing.startswith("late-"):
            covered = _unknown(parts, command, covered)
        members += [asdict(Member(one.company_id, one.linked, one.products)) for one in covered]
        done["left_behind"] += _left_behind(parts, run, found)
        if not (more and command.more_time()):
            break
    parts.manifests.put(f"{command.migration_id}/{listing}/part-{done['parts']:04}.json", members)
    done["parts"] += 1
    return more


def _unknown(parts: Parts, command: Command, found: list[Found]) -> list[Found]:
    names = {company_entry(one.company_id): one for one in found}
    known = parts.ledger.entries(command.migration_id, names)
    return [one for name, one in names.items() if known[name].before is None]


def _left_behind(parts: Parts, run: Run, found: list[Found]) -> int:
    """Count companies that neither this run nor one before takes along."""
    if run.request.company_ids is None and not run.request.tags:
        return 0
    others = [one.company_id for one in found if not run.request.covers(one.company_id, one.tags)]
    return len(set(others) - parts.ledger.migrated(others))


def _cut(parts: Parts, command: Command, listing: str, done: dict[str, Any]) -> None:
    """Write the manifest, then say that the listing is done."""
    members = [
        Member(one["company_id"], one["linked"], tuple(one["products"]))
        for number in range(done["parts"])
        for one in parts.manifests.get(f"{command.migration_id}/{listing}/part-{number:04}.json")
    ]
    chunks = chunks_of(listing, members)
    parts.manifests.put(
        manifest_key(command.migration_id, listing),
        [
            {"name": one.name, "members": [asdict(member) for member in one.members]}
            for one in chunks
        ],
    )
    parts.ledger.change(
        command.migration_id,
        lambda run: replace(run, chunks={**run.chunks, listing: len(chunks)}),
    )
    facts = {**done, "companies": len({one.company_id for one in members})}
    parts.ledger.note(
        command.migration_id, _name(listing), lambda one: one.came_to("listed", facts)
    )


def facts_of(parts: Parts, migration_id: str, listing: str) -> dict[str, Any]:
    """Return `companies` (how many) and `left_behind` of a finished listing."""
    return dict(parts.ledger.entry(migration_id, _name(listing)).detail or {})


def find_late(parts: Parts, command: Command) -> Answer:
    """List companies that appeared since: `late` with their manifest, `done` if there are none."""
    run = parts.run(command.migration_id)
    # the client's level still reads those that a subset meets late: they are for the next run
    if run.request.company_ids is not None or not run.everyone:
        return Answer()
    rounds = sum(one.startswith("late-") for one in run.chunks)
    listing = f"late-{rounds + 1}"
    if rounds >= LATE_ROUNDS:
        note = f"companies keep appearing: after {rounds} rounds the rest is left to reconcile"
        parts.ledger.change(command.migration_id, lambda one: one.noting(note))
        return Answer()
    answer = list_companies(parts, command, listing)
    if answer.next == "again":
        return answer
    found = facts_of(parts, command.migration_id, listing)["companies"]
    return replace(answer, next="late") if found else Answer()


def all_chunks(parts: Parts, migration_id: str) -> Answer:
    """Put every chunk that the run has worked on into one manifest, for the undo."""
    run = parts.run(migration_id)
    listings = [one for one in run.chunks if one == run.listing or one.startswith("late-")]
    chunks = [
        {**chunk, "name": f"undo-{chunk['name']}"}
        for listing in listings
        for chunk in parts.manifests.get(manifest_key(migration_id, listing)) or []
    ]
    key = manifest_key(migration_id, "undo")
    parts.manifests.put(key, chunks)
    parts.ledger.change(
        migration_id, lambda one: replace(one, chunks={**one.chunks, "undo": len(chunks)})
    )
    return Answer(manifest=key, listing="undo")


def manifest_key(migration_id: str, listing: str) -> str:
    return f"{migration_id}/{listing}.json"


def _name(listing: str) -> str:
    return f"LISTING#{listing}"
