"""Which pairs a migration holds. Derived from its execution, so that it cannot be left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from codat_hub.domain.migration.run import is_active
from codat_hub.usecases.migration.parts import company_entry

if TYPE_CHECKING:
    from codat_hub.domain.migration.entry import Entry
    from codat_hub.domain.migration.run import Run


class Ledger(Protocol):
    def get(self, migration_id: str) -> Run | None: ...
    def latest(self) -> tuple[str | None, int]: ...
    def under(self, migration_id: str, prefix: str) -> dict[str, Entry]: ...


class Executions(Protocol):
    def runs(self, name: str) -> bool: ...


@dataclass(frozen=True)
class MigrationLock:
    """Raises Unavailable."""

    ledger: Ledger
    executions: Executions

    def active(self) -> Run | None:
        """Return the migration under way, None if there is none."""
        return self.still_active(self.ledger.latest()[0])

    def still_active(self, migration_id: str | None) -> Run | None:
        run = self.ledger.get(migration_id) if migration_id else None
        if run is None or not is_active(run, self.executions.runs(run.execution)):
            return None
        return run

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
