"""Which companies and products a migration holds.

The lock is derived from the migration's execution, so that a dead run cannot leave it behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.migration.domain.run import is_active
from codat_hub.migration.usecases.context import company_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import Executions, Ledger

# A function names an execution before it starts it, and lives for 28 s at most.
STARTS_WITHIN: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class MigrationLock:
    """Tells what a migration holds. Raises Unavailable."""

    ledger: Ledger
    executions: Executions
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def active(self) -> MigrationRun | None:
        """Return the active migration, None if there is none."""
        return self.still_active(self.ledger.latest()[0])

    def still_active(self, migration_id: str | None) -> MigrationRun | None:
        """Return the migration of this id if it is active, else None."""
        run = self.ledger.get(migration_id) if migration_id else None
        if run is None or not is_active(run, self.lives(run)):
            return None
        return run

    def lives(self, run: MigrationRun) -> bool:
        """Tell whether the run's execution is running, or was named so recently that it may."""
        if self.executions.runs(run.execution):
            return True
        young = self.now() - (run.execution_at or run.started_at) < STARTS_WITHIN
        return young and not self.executions.is_over(run.execution)

    def holds(self, company_id: str, product: str) -> bool:
        """Tell whether the active migration works on this product of this company."""
        run = self.active()
        if run is None or product not in run.request.products:
            return False
        if run.request.company_ids is not None:
            return company_id in run.request.company_ids
        name = company_entry(company_id)
        # A company that is not in the ledger came later, or lacks one of the tags.
        return not run.request.tags or name in self.ledger.under(run.migration_id, name)
