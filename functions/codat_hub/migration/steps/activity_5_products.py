"""Activity 5: add each product to each company that consented to it. Its undo removes them again.

Codat does not document what a repeated PUT or DELETE answers (docs/codat.md, C57). So the ledger
keeps which products a company had, and the company's own list decides after a 404.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.codat.errors import Forbidden, NotFound, Permanent
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import covers
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.usecases.context import (
    StepResult,
    company_entry,
    finish_chunk,
    judge_phase,
    look_again,
    product_entry,
)
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codat_hub.migration.domain.chunk import Member
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.usecases.context import Command, StepContext

    type Pair = tuple[str, str]  # company id, product

PHASE = "add_products"
UNDO_PHASE = "remove_products"


def begin(context: StepContext, command: Command) -> StepResult:
    """Record that activity 5 began."""
    context.check_client()
    context.change_run(command, lambda run: run.began(Activity.ADD_PRODUCTS))
    return StepResult()


def apply_chunk(context: StepContext, command: Command) -> StepResult:
    """Add the products to a chunk's companies."""
    run = context.run(command)
    tally = Tally(command.epoch)
    for member in command.required_chunk.members:
        if not command.more_time():
            return StepResult("again")  # the ledger knows what is done
        tally = _add_to(context, command, run, member, tally)
    return finish_chunk(context, command, PHASE, tally)


def _add_to(
    context: StepContext, command: Command, run: MigrationRun, member: Member, tally: Tally
) -> Tally:
    """Add the products to one company."""
    entries = _entries(context, run, member.company_id)
    if all(entry.outcome in {"added", "had"} for entry in entries.values()):
        return tally.did()
    company = context.codat.company(member.company_id)
    if company is None:
        return tally.skip(f"{member.company_id} was deleted meanwhile")
    # A company that came late has no snapshot: this entry makes it known.
    facts = {"settings": None, "products": list(company.products), "linked": company.linked}
    context.ledger.first(run.migration_id, company_entry(member.company_id), LedgerEntry(facts))
    for product, known in entries.items():
        entry = known
        if entry.before is None:
            had = product in member.products or product in company.products
            name = product_entry(member.company_id, product)
            entry = context.ledger.first(run.migration_id, name, LedgerEntry({"had": had}))
        there = product in company.products
        tally = _add(context, command, (member.company_id, product), entry, tally, there=there)
    return tally


def _add(
    context: StepContext,
    command: Command,
    pair: Pair,
    entry: LedgerEntry,
    tally: Tally,
    *,
    there: bool,
) -> Tally:
    """Add one product to one company. `there`: Codat lists it there."""
    name = product_entry(*pair)
    if entry.before["had"] and entry.intended is None:
        context.note(command, name, partial(LedgerEntry.came_to, outcome="had"))
        return tally.did()
    if entry.outcome == "added":
        return tally.did()
    added_before = there and entry.intended is not None  # by an earlier try of this run
    # The consent may have been withdrawn since the plan.
    if not _agreed(context, pair):
        return _without_consent(context, command, pair, tally, there=added_before)
    context.ledger.intend(command.migration_id, command.epoch, {name: entry})
    _set_status(context, pair, AssignmentStatus.ADDING, command)
    if not added_before and (refused := _refused(context, pair, tally)):
        return refused
    _set_status(context, pair, AssignmentStatus.ASSIGNED, command)
    # The consent may have been withdrawn during the call.
    if not _agreed(context, pair):
        return _without_consent(context, command, pair, tally, there=True)
    context.note(command, name, lambda entry: entry.came_to("added", context.now().isoformat()))
    return tally.did()


def _refused(context: StepContext, pair: Pair, tally: Tally) -> Tally | None:
    """Add the product at Codat. Returns the tally if Codat refused, None if it accepted."""
    company_id, product = pair
    try:
        context.codat.add_product(company_id, product)
    except NotFound as refusal:
        if context.codat.company(company_id) is None:
            return tally.skip(f"{company_id} was deleted meanwhile")
        return tally.fail(f"{company_id}: {refusal}")
    except (Permanent, Forbidden) as refusal:
        return tally.fail(f"{company_id}: {refusal}")
    return None


def _without_consent(
    context: StepContext, command: Command, pair: Pair, tally: Tally, *, there: bool
) -> Tally:
    """Skip a product that the customer does not consent to; remove it if this run added it."""
    company_id, product = pair
    how = _remove(context, command, pair, (product,)) if there else None

    def refused(entry: LedgerEntry) -> LedgerEntry:
        return replace(entry.came_to("no consent"), undone=how or entry.undone)

    context.note(command, product_entry(*pair), refused)
    return tally.skip(f"{company_id}: no consent to {product}")


def _agreed(context: StepContext, pair: Pair) -> bool:
    """Tell whether the customer consents, now, to everything that the product reads."""
    newest = context.consents.newest(*pair)
    product = context.registry.products().get(pair[1])
    return product is not None and covers(newest.consent if newest else None, product)


def judge(context: StepContext, command: Command) -> StepResult:
    """Record that activities 1 to 5 are done. Raises StepFailed on too many failures."""
    run = context.run(command)
    verdict = judge_phase(context, command, PHASE, run.listing)
    if verdict.bad(run.request.tolerated_failures):
        raise StepFailed(f"adding products: {verdict}")
    notes = [f"adding products: {verdict.skipped} skipped, {verdict}"] if verdict.reasons else []
    context.change_run(
        command, lambda run: replace(run.forward(run.step).noting(*notes), migrated=True)
    )
    return StepResult()


def compensate_chunk(context: StepContext, command: Command) -> StepResult:
    """Undo of activity 5: remove from a chunk's companies what this run added, or meant to."""
    run = context.run(command)
    tally = Tally(command.epoch)
    for member in command.required_chunk.members:
        if not command.more_time():
            return StepResult("again")
        entries = _entries(context, run, member.company_id)
        ours = [product for product, entry in entries.items() if entry.ours]
        if ours:
            tally = _remove_from(context, command, member.company_id, ours, tally)
        else:
            tally = tally.skip()
    return finish_chunk(context, command, UNDO_PHASE, tally)


def _remove_from(
    context: StepContext, command: Command, company_id: str, ours: Iterable[str], tally: Tally
) -> Tally:
    """Remove these products from one company."""
    company = context.codat.company(company_id)
    has = company.products if company else None
    for product in ours:
        try:
            how = _remove(context, command, (company_id, product), has)
        except (StepFailed, Permanent, Forbidden) as refusal:
            tally = tally.fail(f"{company_id}: {refusal}")
            continue
        name = product_entry(company_id, product)
        context.note(command, name, partial(LedgerEntry.undo, how=how))
        tally = tally.did()
    return tally


def _remove(context: StepContext, command: Command, pair: Pair, has: tuple[str, ...] | None) -> str:
    """Remove one product and return the ledger's word for it.

    has: all products of the company, None if Codat does not have the company any more
    """
    company_id, product = pair
    if has is None:
        return "company gone"
    how = "was not there"
    if product in has:
        _set_status(context, pair, AssignmentStatus.REMOVING, command)
        how = "removed"
        if not context.codat.remove_product(company_id, product):
            company = look_again(
                context,
                command,
                lambda: context.codat.company(company_id),
                lambda company: company is None or product not in company.products,
            )
            if company and product in company.products:
                raise StepFailed(f"{product} is still there, though Codat answered 404")
    _set_status(context, pair, AssignmentStatus.ABSENT, command)
    return how


def judge_undo(context: StepContext, command: Command) -> StepResult:
    """Raise StepFailed unless every product was removed."""
    verdict = judge_phase(context, command, UNDO_PHASE, "undo")
    if verdict.bad(0):
        raise StepFailed(f"products were not all removed: {verdict}")
    return StepResult()


def _entries(context: StepContext, run: MigrationRun, company_id: str) -> dict[str, LedgerEntry]:
    """Return the ledger entries of a company's products, by product."""
    names = {product: product_entry(company_id, product) for product in run.request.products}
    entries = context.ledger.entries(run.migration_id, names.values())
    return {product: entries[name] for product, name in names.items()}


def _set_status(
    context: StepContext, pair: Pair, status: AssignmentStatus, command: Command
) -> None:
    """Set the status of the hub's own assignment; its consent stays."""

    def changed(assignment: Assignment) -> Assignment:
        now = context.now()
        if status is AssignmentStatus.ADDING and assignment.status is not status:
            assignment = replace(assignment, added_at=now)
        elif status is AssignmentStatus.REMOVING:
            assignment = assignment.with_removal(now)
        return replace(
            assignment,
            status=status,
            changed_at=now,
            changed_by=f"migration {command.migration_id}",
        )

    update(
        lambda: context.assignments.get(*pair),
        changed,
        context.assignments.put,
        f"the assignment of {pair[1]} to company {pair[0]}",
    )
