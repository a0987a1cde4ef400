"""After activity 5: wait for the first reads of the products (docs/codat.md, C58), then end.

Nothing rolls back any more: reads that do not come are listed in the run's notes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from codat_hub.codat.domain.data_types import is_unsuccessful
from codat_hub.codat.errors import Forbidden, Permanent
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.run import MigrationRun, MigrationStatus
from codat_hub.migration.steps import (
    activity_1_client_sync,
    activity_4_new_webhooks,
    activity_5_products,
)
from codat_hub.migration.usecases.context import (
    StepResult,
    company_entry,
    finish_chunk,
    judge_phase,
    product_entry,
)
from codat_hub.migration.usecases.listing import LATE_UNCHECKED, all_chunks, late_unchecked
from codat_hub.products.domain.product import ProductKind

if TYPE_CHECKING:
    from codat_hub.migration.domain.chunk import PhaseVerdict
    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.usecases.context import Command, StepContext
    from codat_hub.product_events.domain.read_state import ReadState

PHASE = "verify_reads"


def begin(context: StepContext, command: Command) -> StepResult:
    """Note what failed for late companies, and put all chunks of the run into one manifest."""
    run = context.run(command)
    verdicts = [
        judge_phase(context, command, activity_5_products.PHASE, listing)
        for listing in run.late_listings
    ]
    notes = [
        f"companies that came late: {verdict}"
        for verdict in verdicts
        if verdict.bad(0) or verdict.reasons
    ]
    if late_unchecked(run):
        notes.append(f"companies could not be listed again: {LATE_UNCHECKED}")
    # The time counts from here: adding products to many companies may take longer than a read.
    context.change_run(
        command,
        lambda run: replace(
            run.noting(*notes), step=PHASE, pause=None, reads_from=run.reads_from or context.now()
        ),
    )
    return replace(all_chunks(context, command), epoch=command.epoch)


def apply_chunk(context: StepContext, command: Command) -> StepResult:
    """Look for the first reads of the products that were added to a chunk's linked companies."""
    run = context.run(command)
    tally = Tally(command.epoch)
    for member in command.required_chunk.members:
        company = company_entry(member.company_id)
        names = {
            product: product_entry(member.company_id, product) for product in run.request.products
        }
        entries = context.ledger.entries(run.migration_id, [*names.values(), company])
        linked = member.linked or bool((entries[company].before or {}).get("linked"))
        for product, name in names.items():
            pair = member.company_id, product
            tally = _look(context, pair, entries[name], tally, linked=linked)
    return finish_chunk(context, command, PHASE, tally)


def _look(
    context: StepContext, pair: tuple[str, str], entry: LedgerEntry, tally: Tally, *, linked: bool
) -> Tally:
    company_id, product = pair
    if entry.outcome != "added" or not linked:
        return tally.skip()
    registered = context.registry.products().get(product)
    standard = registered is not None and registered.kind is ProductKind.STANDARD
    state, _ = context.read_states.get(company_id, None if standard else product)
    added_at = datetime.fromisoformat(entry.detail)
    if state.last_read_at is None or state.last_read_at < added_at:
        return tally.leave_open(f"{company_id}: no read of {product} yet")
    if failed := _failed(state):
        # The migration did its part: the product event tells the teams about the failure.
        return tally.skip(f"{company_id}: the first read of {product} failed for {failed}")
    return tally.did()


def _failed(state: ReadState) -> str:
    """Return the data types whose last read failed, as one text."""
    types = {key.data_type for key, read in state.keys.items() if is_unsuccessful(read.status)}
    return ", ".join(sorted(types))


def judge_reads(context: StepContext, command: Command) -> StepResult:
    """Answer `again` until all first reads came or the limit is reached; then note the rest."""
    run = context.run(command)
    verdict = judge_phase(context, command, PHASE, "undo")
    limits, now = context.limits, context.now()
    waiting = verdict.open or verdict.missing
    if waiting and not limits.over(run.reads_from or now, limits.reads_for, now):
        return StepResult("again", wait_seconds=limits.seconds(limits.reads_poll))
    notes = _missing(verdict)
    context.change_run(command, lambda run: run.noting(*notes))
    return StepResult()


def missing_reads(context: StepContext, command: Command) -> list[str]:
    """Return the note on the first reads that have not come or failed, as the last look found."""
    return _missing(judge_phase(context, command, PHASE, "undo"))


def _missing(verdict: PhaseVerdict) -> list[str]:
    if not (verdict.open or verdict.reasons):
        return []
    reasons = "; ".join(verdict.reasons)
    return [f"first reads: {verdict.done} came, {verdict.open} did not; {reasons}"]


def complete(context: StepContext, command: Command) -> StepResult:
    """End the run, unless it rolls back meanwhile. Consumers are looked at once more before."""

    def completed(run: MigrationRun) -> MigrationRun:
        if _is_over(run):
            return run
        return run.ended(MigrationStatus.COMPLETE, context.now())

    run = context.run(command)
    if not _is_over(run):
        _look_at_client(context, command, run)
    context.change_run(command, completed)
    return StepResult()


def _look_at_client(context: StepContext, command: Command, run: MigrationRun) -> None:
    """Make lost consumers again, and note what others changed and what the hub still needs."""
    changes: list[str] = []
    try:
        activity_4_new_webhooks.make_missing(context, command, run)
        changes = activity_1_client_sync.client_changes(context, run)
    except (Permanent, Forbidden) as refusal:
        note = f"settings and consumers could not be looked at before the end: {refusal}"
        context.change_run(command, lambda run: run.noting(note))
    notes = [f"changed by others during the run, and left: {change}" for change in changes]
    notes += [
        f"the hub refuses deliveries of consumer {facts['consumer_id']} until it has its signing "
        f"secret: reveal it in the Portal, then run tools/hub secrets add {facts['hub_consumer']}"
        for facts in activity_4_new_webhooks.without_secret(context.ledger, run.migration_id)
    ]
    context.change_run(command, lambda run: run.noting(*notes))


def _is_over(run: MigrationRun) -> bool:
    return run.status.given_up or run.status is MigrationStatus.COMPLETE
