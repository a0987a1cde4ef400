"""Going back: a new epoch first, so that nothing forward happens any more; then the undo chain."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.consumers import shown
from codat_hub.migration.domain.run import Run, Status, Undo, undo_of
from codat_hub.migration.steps import activity_4_new_webhooks
from codat_hub.migration.usecases.context import Answer
from codat_hub.migration.usecases.listing import all_chunks
from codat_hub.migration.usecases.planning import CLIENT
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.migration.usecases.context import Command, Parts

    type Step = Callable[[Parts, Command], Answer]

_LONGEST_CAUSE = 1000
_THEN = "; then "


def begin(parts: Parts, command: Command) -> Answer:
    """Answers where the undo chain is entered, `nothing`, or `differs` with a report.

    Rolled back on demand, a finished run is left alone if Codat is not as the run left it: somebody
    has changed it since, and the snapshot would overwrite that. `forced` overrides.
    """
    state = command.state or {}
    run = parts.run(command.migration_id)
    if state.get("entry") == "rollback" and run.migrated and not state.get("forced"):
        found = changed_since(parts, run)
        if found:
            report = f"changed at Codat since the migration: {'; '.join(found)}"
            parts.ledger.change(
                run.migration_id,
                lambda one: one.ended(Status.COMPLETE, one.ended_at or parts.now(), report),
            )
            return Answer("differs", cause=report)
    cause = caught(state) or run.error or "asked for"
    epoch = parts.ledger.raise_epoch(run.migration_id)
    run = parts.ledger.change(
        run.migration_id,
        lambda one: replace(
            one,
            status=Status.ROLLING_BACK,
            pause=None,
            migrated=False,
            error=one.error if one.status is Status.ROLLING_BACK and one.error else cause,
        ),
    )
    logger.warning("migration rolls back", migration_id=run.migration_id, cause=cause)
    undo = undo_of(run.reached)
    if undo is Undo.NOTHING:
        return Answer(undo.value, epoch=epoch, cause=run.error or cause)
    chunks = all_chunks(parts, run.migration_id)
    return replace(
        chunks,
        next=undo.value,
        epoch=epoch,
        cause=run.error or cause,
        wait_seconds=parts.limits.seconds(parts.limits.call_timeout),
    )


def changed_since(parts: Parts, run: Run) -> list[str]:
    """Return in what Codat is not as the run left it, as far as the undo would touch it."""
    found: list[str] = []
    client = parts.ledger.entry(run.migration_id, CLIENT)
    left = client.before["settings"]
    if client.ours and run.off_value is not None:
        left = sync_settings.switched_off(left, run.off_value, run.request.fetch_on_first_link)
    # of a subset too: its companies go back to the client's level
    found += [
        f"the client's settings, {one}"
        for one in sync_settings.differences(left, parts.codat.client_settings())
    ]
    created = parts.ledger.under(run.migration_id, activity_4_new_webhooks.PREFIX)
    if created:
        urls = {one.url for one in parts.codat.consumers()}
        found += [
            f"consumer {shown(entry.before['url'])} is gone"
            for entry in created.values()
            if entry.ours and entry.before["url"] not in urls
        ]
    return found


def noting(undo: Undo, act: Step) -> Step:
    """Return a step that first says where the undo chain is."""

    def begin_undo(parts: Parts, command: Command) -> Answer:
        parts.check_client()
        parts.ledger.change(
            command.migration_id,
            lambda one: replace(one, status=Status.ROLLING_BACK, step=undo.value, pause=None),
        )
        return act(parts, command)

    return begin_undo


def note_step(undo: Undo) -> Step:
    return noting(undo, lambda _parts, _command: Answer())


def finish(parts: Parts, command: Command) -> Answer:
    """Answers `failed` when a failure was undone, `done` when a person asked for it."""
    withdrawn = activity_4_new_webhooks.withdraw_secrets(parts, command)
    if withdrawn.next != "done":
        return withdrawn
    run = parts.ledger.change(
        command.migration_id,
        lambda one: (
            one if one.status is Status.ROLLED_BACK else one.ended(Status.ROLLED_BACK, parts.now())
        ),
    )
    return Answer("done" if run.on_demand else "failed", cause=run.error or "")


def nothing_to_undo(parts: Parts, command: Command) -> Answer:
    """The run ended before any side effect."""
    run = parts.ledger.change(
        command.migration_id, lambda one: one.ended(Status.FAILED, parts.now(), one.error)
    )
    return Answer(cause=run.error or "")


def incomplete(parts: Parts, command: Command) -> Answer:
    """An undo failed: a person is needed, and can let the rollback run again."""
    state = command.state or {}
    why = caught(state, "undo_error") or "an undo failed"
    parts.ledger.change(
        command.migration_id,
        lambda one: replace(
            one,
            status=Status.ROLLBACK_INCOMPLETE,
            pause=None,
            # the first cause and the last: it may be run again and again
            error=f"{(one.error or '').partition(_THEN)[0]}{_THEN}{why}",
        ),
    )
    logger.error("migration rollback incomplete", migration_id=command.migration_id, cause=why)
    return Answer()


def caught(state: Mapping[str, Any], field: str = "error") -> str:
    """Return the caught error in one line: its name and, of a function's, its message."""
    error = state.get(field)
    if not isinstance(error, dict):
        return ""
    cause = error.get("Cause") or ""
    try:
        said = json.loads(cause)
        cause = said.get("errorMessage", cause) if isinstance(said, dict) else cause
    except ValueError:
        pass
    return f"{error.get('Error')}: {cause}"[:_LONGEST_CAUSE]
