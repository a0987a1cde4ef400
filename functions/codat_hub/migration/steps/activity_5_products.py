"""Activity 5: add each product to each company that agreed to it. Undo: remove what was added.

Repeating a PUT or DELETE is not documented (docs/codat.md, C57): what a company had is written
down first, and a 404 on a DELETE counts as done only when the company's own list says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codat_hub.codat.errors import Forbidden, NotFound, Permanent
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.errors import StepFailed, Unavailable
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.usecases.context import StepResult, company_entry, product_entry, verdict
from codat_hub.migration.usecases.planning import consented

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.migration.domain.chunk import Member
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.usecases.context import Command, StepContext

PHASE = "add_products"
UNDO_PHASE = "remove_products"
_TRIES = 5  # at an assignment that others keep changing


def begin(parts: StepContext, command: Command) -> StepResult:
    parts.check_client()
    parts.ledger.change(command.migration_id, lambda one: one.began(Activity.ADD_PRODUCTS))
    return StepResult()


def apply_chunk(parts: StepContext, command: Command) -> StepResult:
    """Add the products to a chunk's companies."""
    run = parts.run(command.migration_id)
    tally = Tally(command.epoch)
    for member in command.its_chunk.members:
        if not command.more_time():
            return StepResult("again")  # what is done is in the ledger, and skipped then
        tally = _add_to(parts, command, run, member, tally)
    parts.ledger.put_tally(
        run.migration_id, PHASE, command.its_chunk.name, replace(tally, finished=True)
    )
    return StepResult()


def _add_to(
    parts: StepContext, command: Command, run: MigrationRun, member: Member, tally: Tally
) -> Tally:
    names = {one: product_entry(member.company_id, one) for one in run.request.products}
    known = parts.ledger.entries(run.migration_id, names.values())
    if all(known[name].outcome in {"added", "had"} for name in names.values()):
        return tally.did()
    found = parts.codat.company(member.company_id)
    if found is None:
        return tally.skip(f"{member.company_id} was deleted meanwhile")
    # a company that came late has no snapshot: it is known from now on
    parts.ledger.first(
        run.migration_id,
        company_entry(member.company_id),
        LedgerEntry({"settings": None, "products": list(found.products), "linked": found.linked}),
    )
    for product, name in names.items():
        entry = known[name]
        if entry.before is None:
            had = product in member.products or product in found.products
            entry = parts.ledger.first(run.migration_id, name, LedgerEntry({"had": had}))
        there = product in found.products
        tally = _add(parts, command, (member.company_id, product), entry, tally, there=there)
    return tally


def _add(  # noqa: PLR0911  # each way out is one sentence of the rule
    parts: StepContext,
    command: Command,
    pair: tuple[str, str],
    entry: LedgerEntry,
    tally: Tally,
    *,
    there: bool,
) -> Tally:
    company_id, product = pair
    name = product_entry(company_id, product)
    if entry.before["had"] and entry.intended is None:
        parts.ledger.note(command.migration_id, name, lambda one: one.came_to("had"))
        return tally.did()
    if entry.outcome == "added":
        return tally.did()
    # asked again at the last moment: consent may have been withdrawn since the plan
    refused = f"{company_id}: no consent to {product}"
    ours = there and entry.intended is not None  # a try before this one has added it
    if not _agreed(parts, pair):
        if ours:
            _take_back(parts, command, pair)
        else:
            parts.ledger.note(command.migration_id, name, lambda one: one.came_to("no consent"))
        return tally.skip(refused)
    parts.ledger.intend(command.migration_id, command.epoch, {name: entry})
    _set_status(parts, pair, AssignmentStatus.ADDING, command)
    try:
        if not ours:
            parts.codat.add_product(company_id, product)
    except NotFound as refusal:
        if parts.codat.company(company_id) is None:
            return tally.skip(f"{company_id} was deleted meanwhile")
        return tally.fail(f"{company_id}: {refusal}")
    except (Permanent, Forbidden) as refusal:
        return tally.fail(f"{company_id}: {refusal}")
    _set_status(parts, pair, AssignmentStatus.ASSIGNED, command)
    if not _agreed(parts, pair):  # withdrawn while the call was on its way: it is not kept
        _take_back(parts, command, pair)
        return tally.skip(refused)
    parts.ledger.note(
        command.migration_id, name, lambda one: one.came_to("added", parts.now().isoformat())
    )
    return tally.did()


def _take_back(parts: StepContext, command: Command, pair: tuple[str, str]) -> None:
    how = _remove(parts, command, pair, (pair[1],))
    name = product_entry(*pair)
    parts.ledger.note(command.migration_id, name, lambda one: one.came_to("no consent").undo(how))


def _agreed(parts: StepContext, pair: tuple[str, str]) -> bool:
    newest = parts.consents.newest(*pair)
    return consented(parts.registry.products().get(pair[1]), newest.consent if newest else None)


def judge(parts: StepContext, command: Command) -> StepResult:
    """Fail on more failures than tolerated; note what was skipped."""
    run = parts.run(command.migration_id)
    seen = verdict(parts, command, PHASE, run.listing)
    if seen.bad(run.request.tolerated_failures):
        raise StepFailed(f"adding products: {seen}")
    notes = [f"adding products: {seen.skipped} skipped, {seen}"] if seen.reasons else []
    parts.ledger.change(
        run.migration_id,
        lambda one: replace(one.forward(one.step).noting(*notes), migrated=True),
    )
    return StepResult()


def compensate_chunk(parts: StepContext, command: Command) -> StepResult:
    """Remove from a chunk's companies what this run has added, or meant to."""
    run = parts.run(command.migration_id)
    tally = Tally(command.epoch)
    for member in command.its_chunk.members:
        if not command.more_time():
            return StepResult("again")
        names = {one: product_entry(member.company_id, one) for one in run.request.products}
        known = parts.ledger.entries(run.migration_id, names.values())
        ours = {one: known[name] for one, name in names.items() if known[name].ours}
        if not ours:
            tally = tally.skip()
            continue
        tally = _remove_from(parts, command, member.company_id, ours, tally)
    parts.ledger.put_tally(
        run.migration_id, UNDO_PHASE, command.its_chunk.name, replace(tally, finished=True)
    )
    return StepResult()


def _remove_from(
    parts: StepContext,
    command: Command,
    company_id: str,
    ours: Mapping[str, LedgerEntry],
    tally: Tally,
) -> Tally:
    found = parts.codat.company(company_id)
    has = found.products if found else None
    for product in ours:
        try:
            how = _remove(parts, command, (company_id, product), has)
        except (StepFailed, Permanent, Forbidden) as refusal:
            tally = tally.fail(f"{company_id}: {refusal}")
            continue
        name = product_entry(company_id, product)
        parts.ledger.note(command.migration_id, name, lambda one, how=how: one.undo(how))  # type: ignore[misc]
        tally = tally.did()
    return tally


def _remove(
    parts: StepContext, command: Command, pair: tuple[str, str], has: tuple[str, ...] | None
) -> str:
    company_id, product = pair
    if has is None:
        return "company gone"
    how = "was not there"
    if product in has:
        _set_status(parts, pair, AssignmentStatus.REMOVING, command)
        how = "removed"
        if not parts.codat.remove_product(company_id, product):
            found = parts.codat.company(company_id)
            if found and product in found.products:
                raise StepFailed(f"{product} is still there, though Codat answered 404")
    _set_status(parts, pair, AssignmentStatus.ABSENT, command)
    return how


def judge_undo(parts: StepContext, command: Command) -> StepResult:
    seen = verdict(parts, command, UNDO_PHASE, "undo")
    if seen.bad(0):
        raise StepFailed(f"products were not all removed: {seen}")
    return StepResult()


def _set_status(
    parts: StepContext, pair: tuple[str, str], status: AssignmentStatus, command: Command
) -> None:
    """Keep the hub's own assignment in step, with the consent it holds."""
    for _ in range(_TRIES):
        known, version = parts.assignments.get(*pair)
        changed = replace(
            known,
            status=status,
            changed_at=parts.now(),
            changed_by=f"migration {command.migration_id}",
        )
        if parts.assignments.put(changed, version):
            return
    raise Unavailable(f"{pair}: others kept changing the assignment")
