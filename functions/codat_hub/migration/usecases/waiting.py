"""A person is awaited: the state machine's token goes into the ledger, with what is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.consumers import shown
from codat_hub.migration.domain.run import Activity, Pause, Status, WaitingFor
from codat_hub.migration.steps import (
    activity_2_quiet,
    activity_3_old_webhooks,
    activity_4_new_webhooks,
)
from codat_hub.migration.usecases.context import Answer
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from codat_hub.migration.domain.run import Run
    from codat_hub.migration.usecases.context import Command, Parts


def wait_for_person(parts: Parts, command: Command) -> Answer:
    """Keep the token. A repeat of the same wait brings a new token, and the newest counts."""
    if command.token is None or command.waiting_for is None:
        raise StepFailed("a wait needs a task token and what it is for")
    token, what = command.token, WaitingFor(command.waiting_for)
    pause = Pause(what, parts.now(), token, _instructions(parts, command.migration_id, what))

    def begin(run: Run) -> Run:
        if what is WaitingFor.WEBHOOKS_RESTORED:
            return replace(run, pause=pause)
        return replace(run.forward(run.step), pause=pause, status=Status.WAITING)

    parts.ledger.change(command.migration_id, begin)
    logger.info("migration waits", migration_id=command.migration_id, waiting_for=what.value)
    return Answer()


def _instructions(parts: Parts, migration_id: str, what: WaitingFor) -> tuple[str, ...]:
    match what:
        case WaitingFor.APPROVAL:
            return _to_approve(parts.run(migration_id))
        case WaitingFor.WEBHOOKS_DISABLED:
            return (
                "In the Codat Portal, Developers > Webhooks, disable:",
                *(
                    f"{one.consumer_id}  {shown(one.url)}"
                    for one in activity_3_old_webhooks.still_on(parts, migration_id)
                ),
                "Then confirm that they are disabled.",
            )
        case WaitingFor.SIGNING_SECRET:
            return (
                "In the Codat Portal, Developers > Webhooks, reveal the signing secret of:",
                *(
                    f"{one['consumer_id']}  {shown(one['url'])}"
                    for one in activity_4_new_webhooks.without_secret(parts, migration_id)
                ),
                "Then confirm each secret. Only a delivery tells whether it was the right one:",
                "send an example from the Portal's testing tab, it must succeed.",
            )
        case WaitingFor.WEBHOOKS_RESTORED:
            return (
                "In the Codat Portal, Developers > Webhooks, enable again:",
                *(
                    f"{activity_3_old_webhooks.consumer_of(entry).consumer_id}  "
                    f"{shown(activity_3_old_webhooks.consumer_of(entry).url)}"
                    for entry in parts.ledger.under(
                        migration_id, activity_3_old_webhooks.PREFIX
                    ).values()
                    if entry.ours
                ),
                "Then confirm that they are enabled.",
            )


def _to_approve(run: Run) -> tuple[str, ...]:
    if run.reached is Activity.WAIT_FOR_QUIET:
        stragglers = (one for one in run.notes if one.startswith(activity_2_quiet.NOT_QUIET))
        return (*stragglers, "Approve to go on without waiting for these reads, or roll back.")
    return ("Read the plan, then approve it or roll back.",)
