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
from codat_hub.migration.steps import (
    activity_3_old_webhooks,
    activity_4_new_webhooks,
    left_over,
)
from codat_hub.migration.usecases.context import CLIENT, company_entry, product_entry
from codat_hub.migration.usecases.needs import may_settle
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.companies.ports import Assignments
    from codat_hub.migration.ports import Ledger
    from codat_hub.products.ports import Products


@dataclass(frozen=True, slots=True)
class ItemToSettle:
    """The item to settle: a company's product or settings, or the client's consumer or settings.

    company_id: None for the client; consumer: an old one's id or a new one's name, as `left` has it
    """

    company_id: str | None
    product: str | None = None
    consumer: str | None = None


@dataclass(frozen=True)
class Settle:
    """Settles one item. Raises Absent if it is not left over, and Conflict if it may not be."""

    ledger: Ledger
    assignments: Assignments
    registry: Products
    now: Callable[[], datetime]

    def __call__(
        self, run: MigrationRun, by: str, wanted: ItemToSettle, reason: str
    ) -> MigrationRun:
        """Settle an item. With the last product of a company, its settings are settled too.

        They are off for that product.
        """
        if run.status is not MigrationStatus.ROLLBACK_INCOMPLETE:
            raise Conflict(
                f"migration {run.migration_id} is {run.status.value}: only what an incomplete "
                "rollback left can be settled"
            )
        items = self._items(run, wanted.company_id)
        if wanted not in items:
            raise Absent(
                f"migration {run.migration_id} left no such item of "
                f"{wanted.company_id or 'the client'}: read what is left with tools/hub "
                f"migrations report {run.migration_id}"
            )
        self._refuse(run, items[wanted][1])
        others = [item for item in items if item.product is not None and item != wanted]
        if wanted.company_id is not None:
            self._of_company(wanted, others, by)
        self._settle(run, wanted, items[wanted][0], by, reason)
        settings = ItemToSettle(wanted.company_id)
        if wanted.product is not None and not others and settings in items:
            self._settle(run, settings, items[settings][0], by, reason)
        logger.warning("migration item settled", migration_id=run.migration_id, by=by)
        return self._end(run)

    def _items(
        self, run: MigrationRun, company_id: str | None
    ) -> dict[ItemToSettle, tuple[str, LedgerEntry]]:
        """Return the items of a company that are left, or of the client, with their names."""
        return {
            ItemToSettle(company_id, entry.before["product"], entry.before.get("consumer")): (
                name,
                entry,
            )
            for name, entry in left_over.left(self.ledger, run).items()
            if entry.before["company_id"] == company_id
        }

    def _of_company(self, wanted: ItemToSettle, others: list[ItemToSettle], by: str) -> None:
        company_id, product = str(wanted.company_id), wanted.product
        if product is not None:
            self._keep(company_id, product, by)
        elif others:
            names = ", ".join(str(item.product) for item in others)
            raise Conflict(
                f"the settings of {company_id} stay off while it keeps {names}: settle the products"
            )

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
        self, run: MigrationRun, item: ItemToSettle, name: str, by: str, reason: str
    ) -> None:
        """Record the decision first, so that an undo never goes without its reason."""
        facts = {"reason": reason, "by": by, "at": self.now().isoformat()}

        def settled(entry: LedgerEntry) -> LedgerEntry:
            return entry.came_to(left_over.SETTLED, {**entry.detail, **facts})

        self.ledger.note(run.migration_id, name, settled)
        undone = partial(LedgerEntry.undo, how=left_over.SETTLED)
        self.ledger.note(run.migration_id, self._changed(run, item), undone)

    def _changed(self, run: MigrationRun, item: ItemToSettle) -> str:
        """Return the name of the ledger's entry of what the run changed."""
        if item.company_id is not None:
            if item.product is not None:
                return product_entry(item.company_id, item.product)
            return company_entry(item.company_id)
        if item.consumer is None:
            return CLIENT
        old = f"{activity_3_old_webhooks.PREFIX}{item.consumer}"
        if self.ledger.entry(run.migration_id, old).ours:
            return old
        return f"{activity_4_new_webhooks.PREFIX}{item.consumer}"

    def _end(self, run: MigrationRun) -> MigrationRun:
        """End the rollback if nothing is left."""
        if self.ledger.ours(run.migration_id, 1):
            return run

        def rolled_back(current: MigrationRun) -> MigrationRun:
            if current.status is not MigrationStatus.ROLLBACK_INCOMPLETE:
                return current
            return current.ended(MigrationStatus.ROLLED_BACK, self.now())

        return self.ledger.change(run.migration_id, rolled_back)
