"""Stop a run for a person: save the state machine's token and instructions for the person."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.consumers import shown
from codat_hub.migration.domain.run import Activity, MigrationStatus, Pause, WaitingFor
from codat_hub.migration.steps import (
    activity_2_quiet,
    activity_3_old_webhooks,
    activity_4_new_webhooks,
    snapshot,
)
from codat_hub.migration.steps.left_over import companies_that_keep
from codat_hub.migration.usecases.context import StepResult
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codat_hub.migration.domain.consumers import Consumer
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.usecases.context import Command, StepContext

_NAMED = 10  # companies in one line
_WEBHOOKS = "In the Codat Portal, Developers > Webhooks,"


def wait_for_person(context: StepContext, command: Command) -> StepResult:
    """Save the wait. If the step is repeated, its new token replaces the old one."""
    if command.token is None or command.waiting_for is None:
        raise StepFailed("a wait needs a task token and its reason")
    reason = WaitingFor(command.waiting_for)
    instructions = tuple(_instructions(context, command, reason))
    pause = Pause(reason, context.now(), command.token, instructions)

    def begin(run: MigrationRun) -> MigrationRun:
        if reason in {WaitingFor.WEBHOOKS_RESTORED, WaitingFor.PRODUCTS_KEPT}:
            return replace(run, pause=pause)
        return replace(run.forward(run.step), pause=pause, status=MigrationStatus.WAITING)

    context.change_run(command, begin)
    logger.info("migration waits", migration_id=command.migration_id, waiting_for=reason.value)
    return StepResult()


def _instructions(context: StepContext, command: Command, reason: WaitingFor) -> Iterable[str]:
    """Yield the lines that the person reads. A line with a URL begins with the consumer's id."""
    match reason:
        case WaitingFor.APPROVAL:
            yield from _to_approve(context.run(command))
        case WaitingFor.WEBHOOKS_DISABLED:
            yield f"{_WEBHOOKS} disable:"
            yield from map(
                _line, activity_3_old_webhooks.still_on(context.ledger, command.migration_id)
            )
            yield "Then confirm it with tools/hub migrations confirm-webhooks-disabled."
        case WaitingFor.SIGNING_SECRET:
            yield f"{_WEBHOOKS} reveal the signing secret of:"
            missing = activity_4_new_webhooks.without_secret(context.ledger, command.migration_id)
            yield from (f"{created['consumer_id']}  {shown(created['url'])}" for created in missing)
            yield "Then confirm each with tools/hub migrations confirm-secret."
            yield "Only a delivery proves a secret: send an example from the Portal's testing tab."
        case WaitingFor.WEBHOOKS_RESTORED:
            yield f"{_WEBHOOKS} enable:"
            yield from map(
                _line, activity_3_old_webhooks.to_restore(context.ledger, command.migration_id)
            )
            yield "Then confirm it with tools/hub migrations confirm-webhooks-restored."
        case WaitingFor.PRODUCTS_KEPT:
            yield from _to_go_on_back(context, command)


def _to_approve(run: MigrationRun) -> Iterable[str]:
    if run.reached is Activity.WAIT_FOR_QUIET:
        yield from (note for note in run.notes if note.startswith(activity_2_quiet.NOT_QUIET))
        yield "To go on without waiting for these reads, run tools/hub migrations approve."
    else:
        # After the first approval, a person reads only what differs.
        yield from [note for note in run.notes if note.startswith(snapshot.DIFFERS)][-1:]
        yield "Read the plan, then run tools/hub migrations approve."
    yield "To stop instead, run tools/hub migrations rollback."


def _to_go_on_back(context: StepContext, command: Command) -> Iterable[str]:
    keep = sorted(companies_that_keep(context.ledger, context.run(command)))
    named = ", ".join(keep[:_NAMED]) + (" and others" if len(keep) > _NAMED else "")
    yield f"{len(keep)} companies keep a product: {named}."
    yield "Their product reads still reach the hub; after this step they do not."
    yield "To remove the products first, correct the cause and run tools/hub migrations rollback."
    yield "To go on without them, run tools/hub migrations approve."


def _line(consumer: Consumer) -> str:
    return f"{consumer.consumer_id}  {shown(consumer.url)}"
