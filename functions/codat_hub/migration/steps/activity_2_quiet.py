"""Activity 2: wait until no read of the old schedules is running any more. Nothing to undo.

The wait before the first look is the state machine's: an hour or the most frequent schedule.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.run import Activity, Stragglers
from codat_hub.migration.usecases.context import Answer, verdict

if TYPE_CHECKING:
    from codat_hub.migration.usecases.context import Command, Parts

PHASE = "wait_for_quiet"
NOT_QUIET = "not quiet after the limit"


def begin(parts: Parts, command: Command) -> Answer:
    parts.ledger.change(command.migration_id, lambda one: one.began(Activity.WAIT_FOR_QUIET))
    return Answer()


def apply_chunk(parts: Parts, command: Command) -> Answer:
    """Look at a chunk's linked companies, unless all of them were quiet before."""
    before = parts.ledger.tally(command.migration_id, PHASE, command.its_chunk.name)
    if before and before.finished and before.epoch == command.epoch and not before.open:
        return Answer()
    run = parts.run(command.migration_id)
    if run.disabled_at is None:
        raise StepFailed("the ledger does not say when the schedules were switched off")
    tally = Tally(command.epoch)
    for member in command.its_chunk.members:
        if not member.linked:
            tally = tally.skip()
        elif running := parts.codat.running_reads(member.company_id, run.disabled_at):
            tally = tally.leave_open(f"{member.company_id}: {running} reads are still running")
        else:
            tally = tally.did()
    parts.ledger.put_tally(
        run.migration_id, PHASE, command.its_chunk.name, replace(tally, finished=True)
    )
    return Answer()


def judge(parts: Parts, command: Command) -> Answer:
    """`again` until quiet; at the limit go on with a note of the stragglers, or ask."""
    run = parts.run(command.migration_id)
    seen = verdict(parts, command, PHASE, run.listing)
    if seen.missing:
        raise StepFailed(f"looking for quiet: {seen}")
    if not seen.open:
        return Answer()
    if run.disabled_at and not parts.limits.over(
        run.disabled_at, parts.limits.quiet_for, parts.now()
    ):
        return Answer("again", wait_seconds=parts.limits.seconds(parts.limits.quiet_poll))
    note = f"{NOT_QUIET}: {'; '.join(seen.reasons)}"
    if note in run.notes:  # somebody was asked and said to go on
        return Answer()
    parts.ledger.change(run.migration_id, lambda one: one.noting(note))
    return Answer("ask" if run.request.stragglers is Stragglers.ASK else "done")
