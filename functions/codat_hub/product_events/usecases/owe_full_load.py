"""Owe a product's team a full load: the next read becomes one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.usecases.known_company import known_company
from codat_hub.errors import Conflict
from codat_hub.products.usecases.registry import registered
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.ports import Assignments, Companies
    from codat_hub.product_events.ports import FullLoads
    from codat_hub.products.ports import Products


@dataclass(frozen=True)
class OweFullLoad:
    """Dates a full load now; the first read that ends later answers it, once for each data type.

    `by` is always the caller's ARN. Raises Absent, Conflict, Unavailable, Unreadable.
    """

    companies: Companies
    assignments: Assignments
    registry: Products
    full_loads: FullLoads
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def company(self, company_id: str, product: str, by: str) -> datetime:
        """Owe one company's product a full load, and return since when."""
        registered(self.registry.products(), product)
        company = known_company(self.companies, company_id)
        at = self.now()

        def owed(assignment: Assignment) -> Assignment:
            if assignment.status is AssignmentStatus.ABSENT and product not in company.products:
                raise Conflict(
                    f"The company does not have {product}. If it is added, its first read is a full"
                    f" load: tools/hub companies add-product {company_id} {product}"
                )
            return replace(assignment, full_load_owed_at=at)

        read = partial(self.assignments.get, company_id, product)
        update(read, owed, self.assignments.put, f"{product} of company {company_id}")
        logger.info("full load owed", company_id=company_id, product=product, by=by)
        return at

    def all_companies(self, product: str, by: str) -> datetime:
        """Owe every company that has the product a full load, and return since when."""
        registered(self.registry.products(), product)
        at = self.now()

        def owed(known: Mapping[str, datetime]) -> Mapping[str, datetime]:
            return {**known, product: at}

        update(self.full_loads.get, owed, self.full_loads.put, "the full loads of products")
        logger.info("full load owed by every company", product=product, by=by)
        return at
