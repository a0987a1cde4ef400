"""No silent ends: an execution that died without rolling back is rolled back by another one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Conflict
from codat_hub.migration.domain.run import Status, WaitingFor, migration_of
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.migration.domain.run import Run
    from codat_hub.migration.usecases.operate import Migrations

AUTOMATIC_TRIES: Final = 3  # of a rollback whose executions keep dying, before a person is called


@dataclass(frozen=True, slots=True)
class Waiting:
    """A person is awaited since `hours`."""

    migration_id: str
    waiting_for: WaitingFor
    hours: float


@dataclass(frozen=True)
class WatchMigrations:
    migrations: Migrations
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def ended(self, execution: str) -> str:
        """An execution has ended. Tells what was done: nothing, failed, complete, rollback or
        incomplete."""
        run = self.migrations.ledger.get(migration_of(execution))
        if run is None or run.execution != execution:
            return "nothing"
        return self._mend(run)

    def look(self) -> tuple[list[Waiting], str]:
        """Look at the migration under way: who is awaited, and does its execution still live?"""
        newest, _ = self.migrations.ledger.latest()
        run = self.migrations.ledger.get(newest) if newest else None
        if run is None or run.status.final:
            return [], "nothing"
        done = self._mend(run)
        if run.pause and done == "nothing":
            hours = (self.now() - run.pause.since) / timedelta(hours=1)
            return [Waiting(run.migration_id, run.pause.waiting_for, hours)], done
        return [], done

    def _mend(self, run: Run) -> str:
        done = run.status.final or run.status is Status.ROLLBACK_INCOMPLETE
        if done or self.migrations.lock.lives(run):
            return "nothing"
        why = f"execution {run.execution} ended without a word"
        if run.reached is None:
            self.migrations.ledger.change(
                run.migration_id, lambda one: one.ended(Status.FAILED, self.now(), one.error or why)
            )
            return "failed"
        if run.migrated and run.status is not Status.ROLLING_BACK:
            note = f"looking for the first reads was cut short: {why}"
            self.migrations.ledger.change(
                run.migration_id, lambda one: one.noting(note).ended(Status.COMPLETE, self.now())
            )
            return "complete"
        if run.attempts >= AUTOMATIC_TRIES:
            self.migrations.ledger.change(
                run.migration_id,
                lambda one: replace(
                    one, status=Status.ROLLBACK_INCOMPLETE, pause=None, error=f"{one.error}; {why}"
                ),
            )
            logger.error("migration rollback incomplete", migration_id=run.migration_id, cause=why)
            return "incomplete"
        try:
            self.migrations.begin_rollback(run, why)
        except Conflict:  # somebody was faster
            return "nothing"
        return "rollback"
