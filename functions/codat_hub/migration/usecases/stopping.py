"""Stop the chunks of a phase at their next company once too many companies have failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from codat_hub.migration.domain.run import MigrationStatus

if TYPE_CHECKING:
    from codat_hub.migration.domain.chunk import Tally
    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.usecases.context import Command, StepContext

PREFIX: Final = "STOPPED#"
_STOPPED: Final = "stopped"
_LEAST_TOLERATED_BACK: Final = 5  # companies


def tolerated(run: MigrationRun) -> int:
    """Return how many companies may fail in a phase."""
    if run.status is MigrationStatus.ROLLING_BACK:
        return max(run.request.tolerated_failures, _LEAST_TOLERATED_BACK)
    return run.request.tolerated_failures


def is_stopped(context: StepContext, command: Command, phase: str) -> bool:
    """Tell whether the phase that the command's chunk belongs to has failed already."""
    entry = context.ledger.entry(command.migration_id, _entry(command, phase))
    return entry.outcome == _STOPPED and (entry.detail or {})["epoch"] == command.epoch


def stoppable(context: StepContext, command: Command, phase: str) -> Command:
    """Return the command of a chunk that has no more time once its phase has failed."""
    more_time = command.more_time
    return replace(
        command, more_time=lambda: more_time() and not is_stopped(context, command, phase)
    )


def count(context: StepContext, command: Command, phase: str, tally: Tally) -> None:
    """Stop the other chunks of a step forward if this one takes it beyond the tolerance.

    An undo goes on for the other companies. Late companies fail no step.
    """
    if tally.finished and not tally.failed:
        return
    run = context.run(command)
    if run.status is MigrationStatus.ROLLING_BACK or run.migrated:
        return
    _count(context, command, phase, tally.failed, None if not tally.finished else tolerated(run))


def stop(context: StepContext, command: Command, phase: str) -> None:
    """Stop the other chunks of a phase, in either direction."""
    _count(context, command, phase, 0, None)


def _count(
    context: StepContext, command: Command, phase: str, failed: int, limit: int | None
) -> None:
    """Count a chunk's failures. More than `limit` stop the phase; None stops it at once."""
    chunk = command.required_chunk.name

    def counted(entry: LedgerEntry) -> LedgerEntry:
        known = entry.detail or {}
        same = known.get("epoch") == command.epoch
        chunks = {**(known["failed"] if same else {}), chunk: failed}
        stopped = same and entry.outcome == _STOPPED
        stopped = stopped or limit is None or sum(chunks.values()) > limit
        detail = {"epoch": command.epoch, "failed": chunks}
        return replace(entry, outcome=_STOPPED if stopped else None, detail=detail)

    context.note(command, _entry(command, phase), counted)


def _entry(command: Command, phase: str) -> str:
    """Return the name of the entry that all chunks of a phase and listing share."""
    listing = command.required_chunk.name.rpartition("-")[0]
    return f"{PREFIX}{phase}#{'undo' if listing.startswith('undo') else listing}"
