"""Start the rollback of a migration: decide it in the ledger first, then start its execution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codat_hub.errors import Conflict
from codat_hub.migration.domain.run import (
    CONTRACT,
    MigrationRun,
    MigrationStatus,
    WaitingFor,
    execution_name,
)
from codat_hub.migration.usecases.starting import TOO_LATE
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.migration.ports import Executions, Ledger
    from codat_hub.migration.usecases.lock import MigrationLock

_UNDOING = frozenset({MigrationStatus.ROLLING_BACK, MigrationStatus.ROLLBACK_INCOMPLETE})
_NOTHING_TO_UNDO = frozenset(
    {MigrationStatus.PLANNED, MigrationStatus.FAILED, MigrationStatus.ROLLED_BACK}
)


@dataclass(frozen=True)
class StartRollback:
    """Starts a rollback. Raises Conflict if nothing is to be undone or another one goes on."""

    ledger: Ledger
    executions: Executions
    lock: MigrationLock
    now: Callable[[], datetime]

    def on_demand(self, run: MigrationRun, by: str, *, forced: bool) -> MigrationRun:
        """Start the rollback that a person asks for, from wherever the run is.

        forced: also if Codat was changed since
        """
        _refuse_ended(run)
        asks = run.pause is not None and run.pause.waiting_for is WaitingFor.PRODUCTS_KEPT
        if run.status is MigrationStatus.ROLLING_BACK and not asks and self.lock.lives(run):
            raise _already(run)
        latest, version = self.ledger.latest()
        if latest != run.migration_id and (other := self.lock.still_active(latest)):
            raise Conflict(
                f"migration {other.migration_id} is {other.status.value}: "
                f"run tools/hub migrations watch {other.migration_id} until it ends"
            )
        if not run.request.dry_run:
            self._refuse_if_built_on(run)
        decided = self._decide(run, f"asked for by {by}", on_demand=True)
        # Record the rollback first, then claim "latest": a concurrent start either sees it or
        # makes take() fail here.
        if not (run.request.dry_run or self.ledger.take(run.migration_id, version)):
            self._take_back(run, decided)
            raise Conflict(TOO_LATE)
        return self._launch(decided, forced=forced)

    def automatic(self, run: MigrationRun, why: str) -> MigrationRun:
        """Start the rollback of a run whose execution ended without one."""
        return self._launch(self._decide(run, why, on_demand=False), forced=False)

    def _refuse_if_built_on(self, run: MigrationRun) -> None:
        """Refuse if a later run may use this run's consumers or its client-level settings."""
        for later in self.ledger.since(run.started_at):
            if later.status is MigrationStatus.COMPLETE and not later.request.dry_run:
                raise Conflict(
                    f"migration {later.migration_id} came later and builds on it: first run "
                    f"tools/hub migrations rollback {later.migration_id}"
                )

    def _decide(self, run: MigrationRun, why: str, *, on_demand: bool) -> MigrationRun:
        """Name the execution of the rollback; after that no step forward begins."""

        def decide(current: MigrationRun) -> MigrationRun:
            _refuse_ended(current)
            rolls_back = current.status is MigrationStatus.ROLLING_BACK
            if (rolls_back and run.status is not current.status) or (
                current.execution != run.execution
            ):
                raise _already(current)
            first_cause = current.error if current.status in _UNDOING else None
            return replace(
                current,
                attempts=current.attempts + 1,
                execution=execution_name(current.migration_id, current.attempts + 1),
                execution_at=self.now(),
                on_demand=current.on_demand or on_demand,
                status=MigrationStatus.ROLLING_BACK,
                pause=None,
                error=first_cause or why,
            )

        return self.ledger.change(run.migration_id, decide)

    def _take_back(self, run: MigrationRun, decided: MigrationRun) -> None:
        """Restore the run as it was before the decision, unless it was changed since."""

        def restore(current: MigrationRun) -> MigrationRun:
            if current.execution != decided.execution:
                return current
            return replace(run, attempts=current.attempts)

        self.ledger.change(run.migration_id, restore)

    def _launch(self, run: MigrationRun, *, forced: bool) -> MigrationRun:
        """Stop every earlier execution of the run, and start the one that rolls back."""
        for number in range(run.attempts):
            name = execution_name(run.migration_id, number)
            if self.executions.runs(name):
                self.executions.stop(name, run.error or "a rollback begins")
        state = {
            "contract": CONTRACT,
            "entry": "rollback",
            "migration_id": run.migration_id,
            "epoch": 0,
            "forced": forced,
        }
        self.executions.start(run.execution, state)
        logger.warning("rollback started", migration_id=run.migration_id, why=run.error)
        return run


def _refuse_ended(run: MigrationRun) -> None:
    if run.status in _NOTHING_TO_UNDO:
        raise Conflict(f"migration {run.migration_id} is {run.status.value}: nothing to roll back")


def _already(run: MigrationRun) -> Conflict:
    return Conflict(
        f"migration {run.migration_id} is rolling back already: "
        f"run tools/hub migrations watch {run.migration_id}"
    )
