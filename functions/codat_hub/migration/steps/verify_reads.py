"""The end: list the companies whose first product read has not come (docs/codat.md, C58)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from codat_hub.codat.domain.data_types import is_unsuccessful
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.steps import activity_5_products
from codat_hub.migration.usecases.context import StepResult, company_entry, product_entry, verdict
from codat_hub.migration.usecases.listing import all_chunks
from codat_hub.products.domain.product import ProductKind

if TYPE_CHECKING:
    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.usecases.context import Command, StepContext
    from codat_hub.product_events.domain.read_state import ReadState

PHASE = "verify_reads"


def begin(parts: StepContext, command: Command) -> StepResult:
    run = parts.run(command.migration_id)
    late = [one for one in run.chunks if one.startswith("late-") and run.chunks[one]]
    seen = [verdict(parts, command, activity_5_products.PHASE, one) for one in late]
    notes = [f"companies that came late: {one}" for one in seen if one.bad(0)]
    # from the end of adding: with many companies that alone takes longer than a read may
    parts.ledger.change(
        run.migration_id,
        lambda one: replace(
            one.noting(*notes), step=PHASE, pause=None, reads_from=one.reads_from or parts.now()
        ),
    )
    return replace(all_chunks(parts, command.migration_id), epoch=command.epoch)


def apply_chunk(parts: StepContext, command: Command) -> StepResult:
    """Look up the reads of what was added to a chunk's linked companies."""
    run = parts.run(command.migration_id)
    tally = Tally(command.epoch)
    for member in command.its_chunk.members:
        names = {one: product_entry(member.company_id, one) for one in run.request.products}
        company = company_entry(member.company_id)
        known = parts.ledger.entries(run.migration_id, [*names.values(), company])
        linked = member.linked or bool((known[company].before or {}).get("linked"))
        for product, name in names.items():
            tally = _look(parts, (member.company_id, product), known[name], tally, linked=linked)
    parts.ledger.put_tally(
        run.migration_id, PHASE, command.its_chunk.name, replace(tally, finished=True)
    )
    return StepResult()


def _look(
    parts: StepContext, pair: tuple[str, str], entry: LedgerEntry, tally: Tally, *, linked: bool
) -> Tally:
    company_id, product = pair
    if entry.outcome != "added" or not linked:
        return tally.skip()
    registered = parts.registry.products().get(product)
    standard = registered is not None and registered.kind is ProductKind.STANDARD
    state, _ = parts.read_states.get(company_id, None if standard else product)
    added_at = datetime.fromisoformat(entry.detail)
    if state.last_read_at is None or state.last_read_at < added_at:
        return tally.leave_open(f"{company_id}: no read of {product} yet")
    if failed := _failed(state):
        # Codat has told the team; it is no fault of the migration's
        return tally.skip(f"{company_id}: the first read of {product} failed for {failed}")
    return tally.did()


def _failed(state: ReadState) -> str:
    wrong = {key.data_type for key, one in state.keys.items() if is_unsuccessful(one.status)}
    return ", ".join(sorted(wrong))


def judge_reads(parts: StepContext, command: Command) -> StepResult:
    """`again` until all have come or the limit is reached; then note what has not."""
    run = parts.run(command.migration_id)
    seen = verdict(parts, command, PHASE, "undo")
    begun = run.reads_from or parts.now()
    waiting = seen.open or seen.missing
    if waiting and not parts.limits.over(begun, parts.limits.reads_for, parts.now()):
        return StepResult("again", wait_seconds=parts.limits.seconds(parts.limits.reads_poll))
    if seen.open or seen.reasons:
        note = f"first reads: {seen.done} came, {seen.open} did not; {'; '.join(seen.reasons)}"
        parts.ledger.change(run.migration_id, lambda one: one.noting(note))
    return StepResult()


def complete(parts: StepContext, command: Command) -> StepResult:
    parts.ledger.change(
        command.migration_id,
        lambda one: (
            one
            if one.status.given_up or one.status is MigrationStatus.COMPLETE
            else one.ended(MigrationStatus.COMPLETE, parts.now())
        ),
    )
    return StepResult()
