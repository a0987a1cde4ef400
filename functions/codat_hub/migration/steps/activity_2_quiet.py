"""Activity 2: wait until no read of the old schedules is running. There is nothing to undo.

The state machine waits before the first look, for an hour or the shortest time between two
scheduled reads, whichever is longer (docs/codat.md, C68).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.run import Activity, Stragglers
from codat_hub.migration.steps.left_over import PASSING, REFUSED
from codat_hub.migration.usecases.context import StepResult, finish_chunk, judge_phase, resuming

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.migration.domain.chunk import Tally
    from codat_hub.migration.usecases.context import Command, StepContext

PHASE = "wait_for_quiet"
NOT_QUIET = "not quiet after the limit"  # begins the note about reads that are still running


def begin(context: StepContext, command: Command) -> StepResult:
    """Record that activity 2 began."""
    context.change_run(command, lambda run: run.began(Activity.WAIT_FOR_QUIET))
    return StepResult()


def apply_chunk(context: StepContext, command: Command) -> StepResult:
    """Look for old reads of a chunk's linked companies, unless an earlier look found none."""
    earlier = context.ledger.tally(command.migration_id, PHASE, command.required_chunk.name)
    if earlier and earlier.finished and earlier.epoch == command.epoch and not earlier.open:
        return StepResult()
    run = context.run(command)
    if run.disabled_at is None:
        raise StepFailed("the ledger does not say when the schedules were switched off")
    with resuming(context, command, PHASE) as progress:
        for member in progress.left:
            if not command.more_time():
                return StepResult("again")
            if member.linked:
                tally = progress.tally.reopened(member.company_id)
                progress.tally = _look(context, member.company_id, run.disabled_at, tally)
            else:
                progress.tally = progress.tally.skip()
    return finish_chunk(context, command, PHASE, progress.tally)


def _look(context: StepContext, company_id: str, before: datetime, tally: Tally) -> Tally:
    try:
        running = context.codat.running_reads(company_id, before)
    except REFUSED as refusal:
        return tally.fail(f"{company_id}: nobody knows whether it is quiet: {refusal}")
    except PASSING as fault:
        return tally.leave_open(f"{company_id}: {fault}", company_id)
    if running:
        return tally.leave_open(f"{company_id}: {running} reads are still running", company_id)
    return tally.did()


def judge(context: StepContext, command: Command) -> StepResult:
    """Answer `again` until all is quiet. At the limit answer `done` with a note, or `ask`."""
    run = context.run(command)
    verdict = judge_phase(context, command, PHASE, run.listing)
    if verdict.bad(run.request.tolerated_failures):
        raise StepFailed(f"looking for quiet: {verdict}")
    if not verdict.open:
        if verdict.failed:
            context.change_run(command, lambda run: run.noting(f"looking for quiet: {verdict}"))
        return StepResult()
    limits = context.limits
    if run.disabled_at and not limits.over(run.disabled_at, limits.quiet_for, context.now()):
        return StepResult("again", wait_seconds=limits.seconds(limits.quiet_poll))
    note = f"{NOT_QUIET}: {'; '.join(verdict.reasons)}"
    if note in run.notes:  # a person was asked and approved
        return StepResult()
    context.change_run(command, lambda run: run.noting(note))
    return StepResult("ask" if run.request.stragglers is Stragglers.ASK else "done")
