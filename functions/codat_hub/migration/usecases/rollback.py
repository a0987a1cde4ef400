"""The steps of a rollback: raise the epoch, enter the chain of undos, record its end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.consumers import shown
from codat_hub.migration.domain.run import MigrationRun, MigrationStatus, Undo, undo_of
from codat_hub.migration.steps import activity_1_client_sync, activity_4_new_webhooks, verify_reads
from codat_hub.migration.steps.activity_1_client_sync import client_changes
from codat_hub.migration.steps.left_over import name_all, require_nothing
from codat_hub.migration.usecases import outages
from codat_hub.migration.usecases.context import CLIENT, StepResult
from codat_hub.migration.usecases.listing import all_chunks
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.migration.usecases.context import Command, StepContext

    type Step = Callable[[StepContext, Command], StepResult]

_LONGEST_CAUSE: Final = 1000  # characters
_THEN: Final = "; then "


def begin(context: StepContext, command: Command) -> StepResult:
    """Begin a rollback. Answers the undo to begin with, `nothing`, or `differs` with a report.

    A rollback on demand of a finished run changes nothing if Codat was changed since, because the
    snapshot would overwrite that change. `forced` in the execution's state overrides this.
    """
    state = command.state or {}
    run = context.run(command)
    if state.get("entry") == "rollback" and run.migrated and not state.get("forced"):
        try:
            differences = changed_since(context, run)
        except StepFailed as failure:  # Codat is away for too long; nothing has begun yet
            why = f"the rollback has not begun, because Codat could not be compared: {failure}"
            return _leave_as_it_is(context, command, run, why)
        if differences:
            why = f"changed at Codat since the migration: {'; '.join(differences)}"
            return _leave_as_it_is(context, command, run, why)
    cause = caught(state) or run.error or "asked for"
    # The epoch comes first: from here on, no step forward can change anything.
    epoch = context.ledger.raise_epoch(run.migration_id)
    outages.end_waits(context, command)
    run = context.change_run(command, lambda run: _rolling_back(run, cause))
    logger.warning("migration rolls back", migration_id=run.migration_id, cause=cause)
    undo = undo_of(run.reached)
    result = StepResult(undo.value, epoch=epoch, cause=run.error or cause)
    if undo is Undo.NOTHING:
        return result
    chunks = all_chunks(context, command)
    wait = context.limits.seconds(context.limits.call_timeout)
    return replace(result, manifest=chunks.manifest, listing=chunks.listing, wait_seconds=wait)


def _leave_as_it_is(
    context: StepContext, command: Command, run: MigrationRun, report: str
) -> StepResult:
    """End the run as complete. The rollback may have ended its wait for first reads."""
    notes = [] if run.ended_at else verify_reads.missing_reads(context, command)
    context.ledger.change(
        run.migration_id,
        lambda run: run.noting(*notes).ended(
            MigrationStatus.COMPLETE, run.ended_at or context.now(), report
        ),
    )
    return StepResult("differs", cause=report)


def _rolling_back(run: MigrationRun, cause: str) -> MigrationRun:
    """Return the run as it rolls back. A rollback that is repeated keeps the first cause."""
    repeated = run.status is MigrationStatus.ROLLING_BACK and run.error
    return replace(
        run,
        status=MigrationStatus.ROLLING_BACK,
        pause=None,
        migrated=False,
        error=run.error if repeated else cause,
    )


def changed_since(context: StepContext, run: MigrationRun) -> list[str]:
    """Return the changes at Codat since the run that stop its rollback.

    They are changes of the client's settings, even if only some companies were migrated, and of
    the new consumers. A company's own settings are not compared.
    """
    changes = client_changes(context, run)
    created = context.ledger.under(run.migration_id, activity_4_new_webhooks.PREFIX)
    if created:
        present = context.codat.consumers()
        known = {name for each in present for name in (each.consumer_id, each.url)}
        changes += [
            f"consumer {shown(entry.before['url'])} is gone"
            for entry in created.values()
            # Two consumers may have one URL; without an outcome the URL is all there is.
            if entry.ours
            and (entry.detail or {}).get("consumer_id", entry.before["url"]) not in known
        ]
    return changes


def restore_client(context: StepContext, command: Command) -> StepResult:
    """Undo of activity 1 for the client. Notes the changes of others that it overwrites."""
    run = context.run(command)
    if context.ledger.entry(run.migration_id, CLIENT).ours:
        notes = [
            f"a change made since is overwritten: {difference}"
            for difference in client_changes(context, run, unless_restored=True)
        ]
        context.change_run(command, lambda run: run.noting(*notes))
    return activity_1_client_sync.compensate(context, command)


def noting(undo: Undo, act: Step) -> Step:
    """Return a step that records which undo begins, and then does it."""

    def begin_undo(context: StepContext, command: Command) -> StepResult:
        context.check_client()
        context.change_run(
            command,
            lambda run: replace(
                run, status=MigrationStatus.ROLLING_BACK, step=undo.value, pause=None
            ),
        )
        return act(context, command)

    return begin_undo


def note_step(undo: Undo) -> Step:
    """Return a step that only records which undo begins."""
    return noting(undo, lambda _context, _command: StepResult())


def finish(context: StepContext, command: Command) -> StepResult:
    """End the rollback. Answers `failed` after a failure, `done` if a person asked for it.

    Raises StepFailed while anything of the run is left that no person settled.
    """
    withdrawn = activity_4_new_webhooks.withdraw_secrets(context, command)
    if withdrawn.next != "done":
        return withdrawn
    require_nothing(context, command)

    def rolled_back(run: MigrationRun) -> MigrationRun:
        if run.status is MigrationStatus.ROLLED_BACK:
            return run
        return run.ended(MigrationStatus.ROLLED_BACK, context.now())

    run = context.change_run(command, rolled_back)
    return StepResult("done" if run.on_demand else "failed", cause=run.error or "")


def nothing_to_undo(context: StepContext, command: Command) -> StepResult:
    """Record that the run failed before it changed anything."""
    run = context.change_run(
        command, lambda run: run.ended(MigrationStatus.FAILED, context.now(), run.error)
    )
    return StepResult(cause=run.error or "")


def incomplete(context: StepContext, command: Command) -> StepResult:
    """Record that an undo failed, and name what is left.

    A person is called and can run the rollback again.
    """
    why = caught(command.state or {}, "undo_error") or "an undo failed"

    def stuck(run: MigrationRun) -> MigrationRun:
        first_cause = (run.error or "").partition(_THEN)[0]
        # Only the first and the last cause are kept: the rollback may be repeated many times.
        return replace(
            run,
            status=MigrationStatus.ROLLBACK_INCOMPLETE,
            pause=None,
            error=f"{first_cause}{_THEN}{why}",
        )

    try:
        name_all(context, command, why)
    finally:
        context.change_run(command, stuck)
    logger.error("migration rollback incomplete", migration_id=command.migration_id, cause=why)
    return StepResult()


def caught(state: Mapping[str, Any], field: str = "error") -> str:
    """Return the error that a Catch wrote into the state, in one line; empty if there is none.

    A function's error is JSON, of which only the message is kept.
    """
    error = state.get(field)
    if not isinstance(error, dict):
        return ""
    cause = error.get("Cause") or ""
    try:
        details = json.loads(cause)
        cause = details.get("errorMessage", cause) if isinstance(details, dict) else cause
    except ValueError:
        pass
    return f"{error.get('Error')}: {cause}"[:_LONGEST_CAUSE]
