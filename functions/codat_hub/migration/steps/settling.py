"""Settle what a rollback could not undo: a person leaves it as it is, with a reason.

Settling the last item ends the rollback, so that the next migration can start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import covers
from codat_hub.errors import Absent, Conflict
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationRun, MigrationStatus
from codat_hub.migration.steps import left_over
from codat_hub.migration.usecases.context import company_entry, product_entry
from codat_hub.migration.usecases.needs import may_settle
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.companies.ports import Assignments
    from codat_hub.migration.ports import Ledger
    from codat_hub.products.ports import Products


@dataclass(frozen=True)
class Settle:
    """Settles one item. Raises Absent if it is not left over, and Conflict if it may not be."""

    ledger: Ledger
    assignments: Assignments
    registry: Products
    now: Callable[[], datetime]

    def __call__(
        self, run: MigrationRun, by: str, company_id: str, product: str | None, reason: str
    ) -> MigrationRun:
        """Settle a product that a company keeps, or its settings if no product is named.

        With the last product of a company, its settings, which are off for that product, are
        settled too.
        """
        if run.status is not MigrationStatus.ROLLBACK_INCOMPLETE:
            raise Conflict(
                f"migration {run.migration_id} is {run.status.value}: only what an incomplete "
                "rollback left can be settled"
            )
        items = self._items(run, company_id)
        entry = items.get(product)
        if entry is None:
            raise Absent(
                f"migration {run.migration_id} left no such item of company {company_id}: read "
                f"what is left with tools/hub migrations report {run.migration_id}"
            )
        self._refuse(run, entry)
        products = [name for name in items if name is not None and name != product]
        if product is None and products:
            raise Conflict(
                f"the settings of {company_id} stay off while it keeps {', '.join(products)}: "
                "settle the products"
            )
        if product is not None:
            self._keep(company_id, product, by)
        self._settle(run, company_id, product, by, reason)
        if product is not None and not products and None in items:
            self._settle(run, company_id, None, by, reason)
        logger.warning("migration item settled", migration_id=run.migration_id, by=by)
        return self._end(run)

    def _items(self, run: MigrationRun, company_id: str) -> dict[str | None, LedgerEntry]:
        """Return the items of a company that are left, by product; None: its settings."""
        left = left_over.left(self.ledger, run).values()
        items = [entry for entry in left if entry.before["company_id"] == company_id]
        return {entry.before["product"]: entry for entry in items}

    def _refuse(self, run: MigrationRun, entry: LedgerEntry) -> None:
        if not may_settle(entry):
            raise Conflict(
                "only what a repeated rollback could not undo may be settled: first run "
                f"tools/hub migrations rollback {run.migration_id}"
            )
        company_id, product = entry.before["company_id"], entry.before["product"]
        if product is None:
            return
        registered = self.registry.products().get(product)
        consent = self.assignments.get(company_id, product)[0].consent
        if registered is None or not covers(consent, registered):
            raise Conflict(
                f"company {company_id} keeps {product} without a consent that covers it: the "
                "product must be removed"
            )

    def _keep(self, company_id: str, product: str, by: str) -> None:
        """Record that the company has the product: it stays."""

        def assigned(assignment: Assignment) -> Assignment:
            return replace(
                assignment, status=AssignmentStatus.ASSIGNED, changed_at=self.now(), changed_by=by
            )

        update(
            lambda: self.assignments.get(company_id, product),
            assigned,
            self.assignments.put,
            f"the assignment of {product} to company {company_id}",
        )

    def _settle(
        self, run: MigrationRun, company_id: str, product: str | None, by: str, reason: str
    ) -> None:
        """Record the decision first, so that an undo never goes without its reason."""
        item = left_over.Item(company_id, "", product)
        facts = {"reason": reason, "by": by, "at": self.now().isoformat()}

        def settled(entry: LedgerEntry) -> LedgerEntry:
            return entry.came_to(left_over.SETTLED, {**entry.detail, **facts})

        self.ledger.note(run.migration_id, left_over.name_back(item), settled)
        name = product_entry(company_id, product) if product else company_entry(company_id)
        self.ledger.note(run.migration_id, name, partial(LedgerEntry.undo, how=left_over.SETTLED))

    def _end(self, run: MigrationRun) -> MigrationRun:
        """End the rollback if nothing is left."""
        if self.ledger.ours(run.migration_id, 1):
            return run

        def rolled_back(current: MigrationRun) -> MigrationRun:
            if current.status is not MigrationStatus.ROLLBACK_INCOMPLETE:
                return current
            return current.ended(MigrationStatus.ROLLED_BACK, self.now())

        return self.ledger.change(run.migration_id, rolled_back)
