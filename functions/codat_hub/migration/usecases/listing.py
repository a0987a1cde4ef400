"""List the companies of a run: Codat's list page by page, cut into chunks in a manifest.

A cursor in the ledger says how far the listing is, so that a retry goes on from there.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from codat_hub.migration.domain.chunk import Member, chunks_of
from codat_hub.migration.domain.run import LATE
from codat_hub.migration.usecases.context import StepResult, company_entry

if TYPE_CHECKING:
    from codat_hub.migration.domain.chunk import ListedCompany
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.usecases.context import Command, StepContext

PAGES_AT_ONCE: Final = 50  # in one part of the listing: 5,000 companies, half a megabyte
_NAMED: Final = 20  # late companies in a note
_ADDS: Final = "add_products"  # the phase that works on late companies
LATE_ROUNDS: Final = 5  # of looking for late companies
# Part of the note of a run that did not look for late companies up to its end.
LATE_UNCHECKED: Final = "companies that appeared during the run may have no product"


def list_companies(context: StepContext, command: Command, listing: str) -> StepResult:
    """List the companies that the run covers, and answer with their manifest.

    Answers `again` until the listing is complete.
    """
    cursor = context.ledger.entry(command.migration_id, _cursor_entry(listing))
    facts = dict(cursor.detail or {"page": 1, "parts": 0, "left_behind": 0})
    run = context.run(command)
    if cursor.outcome != "listed":
        more = _list_part(context, command, run, listing, facts)
        context.note(
            command, _cursor_entry(listing), lambda entry: replace(entry, detail=dict(facts))
        )
        if more:
            return StepResult("again")
        _write_manifest(context, command, listing, facts)
    chunks = context.run(command).chunks.get(listing, 0)
    return StepResult(
        manifest=manifest_key(command.migration_id, listing),
        listing=listing,
        epoch=command.epoch,
        listed=listed(chunks),
    )


def _list_part(
    context: StepContext, command: Command, run: MigrationRun, listing: str, facts: dict[str, Any]
) -> bool:
    """Write one part of the listing and advance `facts`; tell whether there are more parts."""
    members: list[dict[str, Any]] = []
    more = True
    for _ in range(PAGES_AT_ONCE):
        page, more = context.codat.companies_page(facts["page"])
        facts["page"] += 1
        if listing.startswith(LATE):
            covered = _late(context, command, run, page)
        else:
            covered = [company for company in page if _covers(run, company)]
        members += [
            asdict(Member(company.company_id, company.linked, company.products))
            for company in covered
        ]
        facts["left_behind"] += _left_behind(context, run, page)
        if not (more and command.more_time()):
            break
    context.manifests.put(_part_key(command, listing, facts["parts"]), members)
    facts["parts"] += 1
    return more


def _covers(run: MigrationRun, company: ListedCompany) -> bool:
    return run.request.covers(company.company_id, company.tags)


def _late(
    context: StepContext, command: Command, run: MigrationRun, companies: list[ListedCompany]
) -> list[ListedCompany]:
    """Return the companies that have no snapshot.

    The last of several subset runs takes in every company that no earlier run migrated: with the
    client's level off, nothing else reads it.
    """
    names = {company_entry(company.company_id): company for company in companies}
    entries = context.ledger.entries(command.migration_id, names)
    unknown = [company for name, company in names.items() if entries[name].before is None]
    others = [company.company_id for company in unknown if not _covers(run, company)]
    migrated = context.ledger.migrated(others) if others else set()
    return [company for company in unknown if company.company_id not in migrated]


def _left_behind(context: StepContext, run: MigrationRun, page: list[ListedCompany]) -> int:
    """Count the companies that neither this run nor an earlier one covers."""
    if run.request.company_ids is None and not run.request.tags:
        return 0
    others = [company.company_id for company in page if not _covers(run, company)]
    return len(set(others) - context.ledger.migrated(others))


def _write_manifest(
    context: StepContext, command: Command, listing: str, facts: dict[str, Any]
) -> None:
    """Put the parts together, cut them into chunks, and record that the listing is complete."""
    members = [
        Member(saved["company_id"], saved["linked"], tuple(saved["products"]))
        for number in range(facts["parts"])
        for saved in context.manifests.get(_part_key(command, listing, number))
    ]
    chunks = chunks_of(listing, members)
    manifest = [asdict(chunk) for chunk in chunks]
    context.manifests.put(manifest_key(command.migration_id, listing), manifest)
    _count_chunks(context, command, listing, len(chunks))
    listed = {**facts, "companies": len({member.company_id for member in members})}
    context.note(command, _cursor_entry(listing), lambda entry: entry.came_to("listed", listed))


def facts_of(context: StepContext, migration_id: str, listing: str) -> dict[str, Any]:
    """Return the numbers of `companies` and of those `left_behind` in a complete listing."""
    return dict(context.ledger.entry(migration_id, _cursor_entry(listing)).detail or {})


def find_late(context: StepContext, command: Command) -> StepResult:
    """List the companies that appeared during the run: `late` if there are some, else `done`."""
    run = context.run(command)
    # The client's level still reads late companies until the run that leaves no company behind.
    if not run.everyone:
        return StepResult()
    rounds = sum(listing.startswith(LATE) for listing in run.chunks)
    listing = f"{LATE}{rounds}"
    if not rounds or _worked_on(context, run, listing):
        if rounds >= LATE_ROUNDS:
            _note_rest(context, command, rounds)
            return StepResult()
        listing = f"{LATE}{rounds + 1}"
    result = list_companies(context, command, listing)
    if result.next == "again":
        return result
    chunks = context.manifests.get(result.manifest) or []
    late = [member["company_id"] for chunk in chunks for member in chunk["members"]]
    if not late:
        return StepResult()
    more = f" and {len(late) - _NAMED} more" if len(late) > _NAMED else ""
    note = f"appeared during the run and taken in: {', '.join(late[:_NAMED])}{more}"
    context.change_run(command, lambda run: run.noting(note))
    return replace(result, next="late")


def _worked_on(context: StepContext, run: MigrationRun, listing: str) -> bool:
    """Tell whether the companies of a round got their products; else its answer was lost."""
    return bool(context.ledger.tallies(run.migration_id, _ADDS, f"{listing}-"))


def _note_rest(context: StepContext, command: Command, rounds: int) -> None:
    note = (
        f"companies keep appearing: after {rounds} rounds a company that came still later gets "
        "no product and no schedule: run tools/hub migrations start again"
    )
    context.change_run(command, lambda run: run.noting(note))


def late_unchecked(run: MigrationRun) -> bool:
    """Tell whether companies that appeared during the run may not have been found.

    The last look found none, or it was the last of so many rounds, which has a note of its own.
    """
    if not run.everyone:
        return False
    rounds = [chunks for listing, chunks in run.chunks.items() if listing.startswith(LATE)]
    return len(rounds) < LATE_ROUNDS and 0 not in rounds


def all_chunks(context: StepContext, command: Command) -> StepResult:
    """Put every chunk that the run has worked on into one manifest, for the undo."""
    run = context.run(command)
    listings = [name for name in run.chunks if name == run.listing or name.startswith(LATE)]
    chunks = [
        {**chunk, "name": f"undo-{chunk['name']}"}
        for listing in listings
        for chunk in context.manifests.get(manifest_key(run.migration_id, listing)) or []
    ]
    chunks += _only_in_ledger(context, command, chunks)
    key = manifest_key(run.migration_id, "undo")
    context.manifests.put(key, chunks)
    _count_chunks(context, command, "undo", len(chunks))
    return StepResult(manifest=key, listing="undo", listed=listed(len(chunks)))


def _only_in_ledger(
    context: StepContext, command: Command, chunks: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the chunks of companies that the ledger knows and no manifest has.

    A manifest may be lost; what the run changed stands in the ledger.
    """
    listed = {member["company_id"] for chunk in chunks for member in chunk["members"]}
    prefix = company_entry("")
    names = context.ledger.names_under(command.migration_id, prefix)
    missing = [name for name in names if name.removeprefix(prefix) not in listed]
    entries = context.ledger.entries(command.migration_id, missing)
    members = [
        Member(
            name.removeprefix(prefix),
            entries[name].before["linked"],
            tuple(entries[name].before["products"]),
        )
        for name in missing
    ]
    return [asdict(chunk) for chunk in chunks_of("undo-ledger", members)]


def _count_chunks(context: StepContext, command: Command, listing: str, count: int) -> None:
    context.change_run(command, lambda run: replace(run, chunks={**run.chunks, listing: count}))


def listed(chunks: int) -> str:
    """Return the word for the state machine, which enters no Map over an empty list."""
    return "companies" if chunks else "nothing"


def manifest_key(migration_id: str, listing: str) -> str:
    """Return the key of a listing's manifest."""
    return f"{migration_id}/{listing}.json"


def _part_key(command: Command, listing: str, number: int) -> str:
    return f"{command.migration_id}/{listing}/part-{number:04}.json"


def _cursor_entry(listing: str) -> str:
    return f"LISTING#{listing}"
