"""Find migrations whose execution ended silently, and complete or roll back such a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Conflict
from codat_hub.migration.domain.run import MigrationStatus, WaitingFor, migration_of
from codat_hub.migration.usecases.listing import LATE_UNCHECKED, late_unchecked
from codat_hub.migration.usecases.lock import MigrationLock
from codat_hub.migration.usecases.starting_rollback import StartRollback
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import Executions, Ledger

AUTOMATIC_TRIES: Final = 3  # rollbacks in a row whose execution dies; then a person is called


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait for a person, and how many hours it lasts already."""

    migration_id: str
    waiting_for: WaitingFor
    hours: float


@dataclass(frozen=True)
class WatchMigrations:
    """Looks after executions that no Catch can see, such as an aborted one.

    Both methods return the action: nothing, failed, complete, rollback or incomplete.
    """

    ledger: Ledger
    executions: Executions
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def ended(self, execution: str) -> str:
        """Handle the end of an execution, and return the action."""
        run = self.ledger.get(migration_of(execution))
        if run is None or run.execution != execution:
            return "nothing"
        return self._repair(run)

    def look(self) -> tuple[list[Waiting], str]:
        """Check the latest migration; return the wait for a person, if any, and the action."""
        latest, _ = self.ledger.latest()
        run = self.ledger.get(latest) if latest else None
        if run is None or run.status.final:
            return [], "nothing"
        action = self._repair(run)
        if run.pause and action == "nothing":
            hours = (self.now() - run.pause.since) / timedelta(hours=1)
            return [Waiting(run.migration_id, run.pause.waiting_for, hours)], action
        return [], action

    def _repair(self, run: MigrationRun) -> str:
        """Take the run to an end if its execution is dead."""
        lock = MigrationLock(self.ledger, self.executions, self.now)
        ended = run.status.final or run.status is MigrationStatus.ROLLBACK_INCOMPLETE
        if ended or lock.lives(run):
            return "nothing"
        why = f"execution {run.execution} ended without a result"
        if run.reached is None:
            self._fail(run, why)
            return "failed"
        if run.migrated and run.status is not MigrationStatus.ROLLING_BACK:
            self._complete(run, why)
            return "complete"
        if run.attempts >= AUTOMATIC_TRIES:
            self._call_a_person(run, why)
            return "incomplete"
        try:
            StartRollback(self.ledger, self.executions, lock, self.now).automatic(run, why)
        except Conflict:  # another caller started it first
            return "nothing"
        return "rollback"

    def _fail(self, run: MigrationRun, why: str) -> None:
        self.ledger.change(
            run.migration_id,
            lambda current: current.ended(MigrationStatus.FAILED, self.now(), current.error or why),
        )

    def _complete(self, run: MigrationRun, why: str) -> None:
        note = f"the check of the first reads was cut short: {why}"
        if late_unchecked(run):
            note += f"; {LATE_UNCHECKED}"
        self.ledger.change(
            run.migration_id,
            lambda current: current.noting(note).ended(MigrationStatus.COMPLETE, self.now()),
        )

    def _call_a_person(self, run: MigrationRun, why: str) -> None:
        self.ledger.change(
            run.migration_id,
            lambda current: replace(
                current,
                status=MigrationStatus.ROLLBACK_INCOMPLETE,
                pause=None,
                error=f"{current.error}; {why}",
            ),
        )
        logger.error("migration rollback incomplete", migration_id=run.migration_id, cause=why)
