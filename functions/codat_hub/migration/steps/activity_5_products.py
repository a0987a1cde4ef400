"""Activity 5: add each product to each company that consented to it. Its undo removes them again.

Codat does not document what a repeated PUT or DELETE answers (docs/codat.md, C57). So the ledger
keeps which products a company had, and the company's own list decides after a 404.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from codat_hub.codat.errors import NotFound
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import covers
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.steps.activity_1_client_sync import is_on, keep_off, switch_company_off
from codat_hub.migration.steps.left_over import (
    Attempts,
    companies_that_keep,
    company_of,
    kept,
    not_added,
    not_restored,
    products_of,
    settings_of,
    still_on,
)
from codat_hub.migration.usecases.context import (
    StepResult,
    companies_of,
    company_entry,
    judge_phase,
    look_again,
    product_entry,
)
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from codat_hub.migration.domain.chunk import ListedCompany, Member
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.usecases.context import Command, StepContext

    type Pair = tuple[str, str]  # company id, product

PHASE = "add_products"
UNDO_PHASE = "remove_products"
_GONE: Final = "company gone"


def begin(context: StepContext, command: Command) -> StepResult:
    """Record that activity 5 began."""
    context.check_client()
    context.change_run(command, lambda run: run.began(Activity.ADD_PRODUCTS))
    return StepResult()


def apply_chunk(context: StepContext, command: Command) -> StepResult:
    """Add the products to a chunk's companies."""
    run = context.run(command)
    tally = Tally(command.epoch)
    attempts = Attempts.forward(context, command, run, PHASE)
    for member, entry in companies_of(context, command):
        if not command.more_time():
            return StepResult("again")  # the ledger knows what is done
        if attempts.leaves(still_on(member.company_id)):
            tally = tally.skip(f"{member.company_id} gets no product: its settings are as before")
        else:
            tally = _add_to(attempts, member, entry, tally)
    return attempts.end(tally)


def _add_to(attempts: Attempts, member: Member, known: LedgerEntry, tally: Tally) -> Tally:
    """Add the products to one company."""
    context, command = attempts.context, attempts.command
    entries = _entries(context, attempts.run, member.company_id)
    if all(entry.outcome in {"added", "had"} for entry in entries.values()):
        return tally.did()
    ready: list[ListedCompany] = []

    def prepare(tally: Tally) -> Tally:
        company = _prepared(context, command, attempts.run, member.company_id, known)
        if company is None:
            return tally.skip(f"{member.company_id} was deleted meanwhile")
        ready.append(company)
        return tally

    failed_before = tally.failed
    tally = attempts.attempt(tally, still_on(member.company_id), prepare)
    for company in ready:
        for product, entry in entries.items():
            had = product in member.products or product in company.products
            add = partial(_add, context, command, (company.company_id, product), entry)
            add = partial(add, had=had, there=product in company.products)
            tally = attempts.attempt(tally, not_added(company.company_id, product), add)
    # The tolerance counts companies, however many products fail on each.
    return replace(tally, failed=min(tally.failed, failed_before + 1))


def _prepared(
    context: StepContext, command: Command, run: MigrationRun, company_id: str, entry: LedgerEntry
) -> ListedCompany | None:
    """Return a company whose own schedules are off, None if Codat does not have it any more.

    A company that came late has no snapshot before this step.
    """
    company = company_of(context, company_id)
    if company is None:
        return None
    if entry.before is None:
        facts = {
            "settings": settings_of(context, company_id),
            "products": list(company.products),
            "linked": company.linked,
        }
        entry = context.ledger.first(
            run.migration_id, company_entry(company_id), LedgerEntry(facts)
        )
    if is_on(run, entry) and entry.outcome is None:
        switch_company_off(context, command, run, company_id, entry)
    return company


def _add(
    context: StepContext,
    command: Command,
    pair: Pair,
    known: LedgerEntry,
    tally: Tally,
    *,
    had: bool,
    there: bool,
) -> Tally:
    """Add one product to one company. `there`: Codat lists it there; `had`: did before the run."""
    name, entry = product_entry(*pair), known
    if entry.before is None:
        entry = context.ledger.first(command.migration_id, name, LedgerEntry({"had": had}))
    if entry.before["had"] and entry.intended is None:
        context.note(command, name, partial(LedgerEntry.came_to, outcome="had"))
        return tally.did()
    if entry.outcome == "added":
        return tally.did()
    added_before = there and entry.ours  # by an earlier try of this run
    # The consent may have been withdrawn since the plan.
    if not _agreed(context, pair):
        return _without_consent(context, command, pair, tally, there=added_before)
    context.ledger.intend(command.migration_id, command.epoch, {name: entry})
    _set_status(context, pair, AssignmentStatus.ADDING, command)
    if not added_before and not _accepted(context, pair):
        return tally.skip(f"{pair[0]} was deleted meanwhile")
    _set_status(context, pair, AssignmentStatus.ASSIGNED, command)
    # The consent may have been withdrawn during the call.
    if not _agreed(context, pair):
        return _without_consent(context, command, pair, tally, there=True)
    context.note(command, name, lambda entry: entry.came_to("added", context.now().isoformat()))
    return tally.did()


def _accepted(context: StepContext, pair: Pair) -> bool:
    """Add the product at Codat; false if the company is gone. Raises what Codat refuses."""
    try:
        context.codat.add_product(*pair)
    except NotFound:
        if products_of(context, pair[0]) is None:
            return False
        raise
    return True


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
    attempts = Attempts.back(context, command, run, UNDO_PHASE)
    for member in command.required_chunk.members:
        if not command.more_time():
            return StepResult("again")
        entries = _entries(context, run, member.company_id)
        ours = [product for product, entry in entries.items() if entry.ours]
        tally = _remove_from(attempts, member.company_id, ours, tally) if ours else tally.skip()
    return attempts.end(tally)


def _remove_from(attempts: Attempts, company_id: str, ours: Iterable[str], tally: Tally) -> Tally:
    """Remove these products from one company. If it keeps one, its own schedules stay off."""
    context, command = attempts.context, attempts.command
    has = cache(partial(products_of, context, company_id))
    for product in ours:
        remove = partial(_take_back, context, command, (company_id, product), has)
        tally = attempts.attempt(tally, kept(company_id, product), remove)

    def off(tally: Tally) -> Tally:
        keep_off(context, command, attempts.run, company_id)
        return tally

    if attempts.products_left(company_id):
        tally = attempts.attempt(tally, not_restored(company_id), off)
    return tally


def _take_back(
    context: StepContext,
    command: Command,
    pair: Pair,
    has: Callable[[], Collection[str] | None],
    tally: Tally,
) -> Tally:
    how = _remove(context, command, pair, has())
    context.note(command, product_entry(*pair), partial(LedgerEntry.undo, how=how))
    return tally.did(f"{pair[0]} was deleted" if how == _GONE else None)


def _remove(context: StepContext, command: Command, pair: Pair, has: Collection[str] | None) -> str:
    """Remove one product and return the ledger's word for it.

    has: all products of the company, None if Codat does not have the company any more
    """
    if has is None:
        return _GONE
    how = "was not there"
    if pair[1] in has:
        _set_status(context, pair, AssignmentStatus.REMOVING, command)
        how = "removed"
        if not context.codat.remove_product(*pair):
            left = look_again(
                context,
                command,
                lambda: products_of(context, pair[0]) or (),
                lambda products: pair[1] not in products,
            )
            if pair[1] in left:
                raise StepFailed(f"{pair[1]} is still there, though Codat answered 404")
    _set_status(context, pair, AssignmentStatus.ABSENT, command)
    return how


def judge_undo(context: StepContext, command: Command) -> StepResult:
    """Answer `ask` if more companies than tolerated keep a product.

    The new consumers are still there then: nothing of those companies is lost yet.
    """
    verdict = judge_phase(context, command, UNDO_PHASE, "undo")
    if verdict.missing:
        raise StepFailed(f"products were not all removed: {verdict}")
    run = context.change_run(command, lambda run: run.noting(*verdict.reasons))
    kept_by = companies_that_keep(context.ledger, run)
    return StepResult("ask" if len(kept_by) > run.request.tolerated_kept else "done")


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
