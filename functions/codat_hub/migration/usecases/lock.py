"""Which pairs a migration holds. Derived from its execution, so that it cannot be left behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.migration.domain.run import is_active
from codat_hub.migration.usecases.context import company_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.migration.domain.entry import Entry
    from codat_hub.migration.domain.run import Run

# Longer than a function that has named an execution lives (28 s), so than it takes to start it.
STARTS_WITHIN: Final = timedelta(minutes=1)


class Ledger(Protocol):
    def get(self, migration_id: str) -> Run | None: ...
    def latest(self) -> tuple[str | None, int]: ...
    def under(self, migration_id: str, prefix: str) -> dict[str, Entry]: ...


class Executions(Protocol):
    def runs(self, name: str) -> bool: ...
    def is_over(self, name: str) -> bool: ...


@dataclass(frozen=True)
class MigrationLock:
    """Raises Unavailable."""

    ledger: Ledger
    executions: Executions
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def active(self) -> Run | None:
        """Return the migration under way, None if there is none."""
        return self.still_active(self.ledger.latest()[0])

    def still_active(self, migration_id: str | None) -> Run | None:
        run = self.ledger.get(migration_id) if migration_id else None
        if run is None or not is_active(run, self.lives(run)):
            return None
        return run

    def lives(self, run: Run) -> bool:
        """Tell whether its execution runs, or was named a moment ago and is just being started."""
        if self.executions.runs(run.execution):
            return True
        young = self.now() - (run.execution_at or run.started_at) < STARTS_WITHIN
        return young and not self.executions.is_over(run.execution)

    def holds(self, company_id: str, product: str) -> bool:
        """Tell whether a run works on this pair now, so that nobody else may change it."""
        run = self.active()
        if run is None or product not in run.request.products:
            return False
        if run.request.company_ids is not None:
            return company_id in run.request.company_ids
        name = company_entry(company_id)
        # not in the ledger yet: it came later, or has none of the tags
        return not run.request.tags or name in self.ledger.under(run.migration_id, name)
