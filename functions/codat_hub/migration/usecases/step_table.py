"""The table of all steps: which function does which step of the state machine.

The names of steps are wire format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.run import Undo
from codat_hub.migration.steps import (
    activity_1_client_sync,
    activity_2_quiet,
    activity_3_old_webhooks,
    activity_4_new_webhooks,
    activity_5_products,
    planning,
    snapshot,
    verify_reads,
)
from codat_hub.migration.usecases import listing, outages, rollback, stopping, waiting
from codat_hub.migration.usecases.context import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.migration.usecases.context import Command, StepContext

    type Step = Callable[[StepContext, Command], StepResult]

APPLY: Final = "apply"
COMPENSATE: Final = "compensate"


def note_chunk_failure(context: StepContext, command: Command) -> StepResult:
    """Save why a chunk was not finished, for the verdict on its phase and for the screen."""
    state = command.state or {}
    chunk, phase = command.required_chunk, state["phase"]
    reason = f"{chunk.name}: {rollback.caught(state)}"
    tally = Tally(command.epoch, failed=len(chunk.members), reasons=(reason,))
    context.ledger.put_tally(command.migration_id, phase, chunk.name, tally)
    stopping.count(context, command, phase, tally)
    context.change_run(command, lambda run: run.noting(f"{phase} failed for {reason}"))
    return StepResult()


STEPS: Final[Mapping[tuple[str, str], Step]] = {
    (APPLY, "plan"): planning.plan,
    (APPLY, "survey"): planning.survey,
    (APPLY, "finish_plan"): planning.finish_plan,
    (APPLY, "wait_for_person"): waiting.wait_for_person,
    (APPLY, "snapshot"): snapshot.snapshot,
    (APPLY, "snapshot_companies"): snapshot.snapshot_companies,
    (APPLY, "compare_snapshot"): snapshot.compare_snapshot,
    (APPLY, "disable_client_sync"): activity_1_client_sync.apply,
    (APPLY, "disable_company_sync"): activity_1_client_sync.apply_chunk,
    (APPLY, "judge_company_sync"): activity_1_client_sync.judge,
    (APPLY, "begin_quiet"): activity_2_quiet.begin,
    (APPLY, "wait_for_quiet"): activity_2_quiet.apply_chunk,
    (APPLY, "judge_quiet"): activity_2_quiet.judge,
    (APPLY, "disable_old_webhooks"): activity_3_old_webhooks.apply,
    (APPLY, "configure_new_webhooks"): activity_4_new_webhooks.apply,
    (APPLY, "begin_products"): activity_5_products.begin,
    (APPLY, "add_products"): activity_5_products.apply_chunk,
    (APPLY, "judge_products"): activity_5_products.judge,
    (APPLY, "find_late_companies"): listing.find_late,
    (APPLY, "begin_reads"): verify_reads.begin,
    (APPLY, "verify_reads"): verify_reads.apply_chunk,
    (APPLY, "judge_reads"): verify_reads.judge_reads,
    (APPLY, "complete"): verify_reads.complete,
    (APPLY, "note_chunk_failure"): note_chunk_failure,
    (COMPENSATE, "begin_rollback"): rollback.begin,
    (COMPENSATE, "begin_removals"): rollback.note_step(Undo.REMOVE_PRODUCTS),
    (COMPENSATE, "add_products"): activity_5_products.compensate_chunk,
    (COMPENSATE, "judge_products"): activity_5_products.judge_undo,
    (COMPENSATE, "configure_new_webhooks"): rollback.noting(
        Undo.UNSUBSCRIBE_NEW_WEBHOOKS, activity_4_new_webhooks.compensate
    ),
    (COMPENSATE, "disable_old_webhooks"): rollback.noting(
        Undo.RESUBSCRIBE_OLD_WEBHOOKS, activity_3_old_webhooks.compensate
    ),
    (COMPENSATE, "disable_client_sync"): rollback.noting(
        Undo.REENABLE_CLIENT_SYNC, rollback.restore_client
    ),
    (COMPENSATE, "disable_company_sync"): activity_1_client_sync.compensate_chunk,
    (COMPENSATE, "judge_company_sync"): activity_1_client_sync.judge_undo,
    (COMPENSATE, "finish"): rollback.finish,
    (COMPENSATE, "nothing"): rollback.nothing_to_undo,
    (COMPENSATE, "incomplete"): rollback.incomplete,
    (COMPENSATE, "note_chunk_failure"): note_chunk_failure,
}


# Phases that are not named as their steps.
_PHASES: Final[Mapping[tuple[str, str], str]] = {
    (APPLY, "snapshot_companies"): "snapshot",
    (COMPENSATE, "add_products"): activity_5_products.UNDO_PHASE,
    (COMPENSATE, "disable_company_sync"): activity_1_client_sync.UNDO_PHASE,
}


# Nobody reads these answers, so `again` would skip the step. They call nothing but AWS.
_NEVER_REPEATED: Final = (waiting.wait_for_person, note_chunk_failure, rollback.incomplete)


def run_step(context: StepContext, step: str, direction: str, command: Command) -> StepResult:
    """Run one step. While a fault may pass, answer `again` and how long to wait.

    A chunk of a phase that has failed already is left as it is. Raises StepFailed for an unknown
    step or a fault that lasts, and whatever the step raises.
    """
    act = STEPS.get((direction, step))
    if act is None:
        raise StepFailed(f"there is no step {step!r} to {direction}")
    if act in _NEVER_REPEATED:
        return act(context, command)
    if command.chunk is None:
        return outages.bear(context, command, f"{step} to {direction}", act)
    phase = _PHASES.get((direction, step), step)
    if stopping.is_stopped(context, command, phase):
        return StepResult()
    stoppable = stopping.stoppable(context, command, phase)
    return outages.bear(context, stoppable, phase, act)
