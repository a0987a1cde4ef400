"""Dependencies shared by AssignProduct and RemoveProduct, and the checks that both make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.codat.errors import NotFound
from codat_hub.companies.domain.consent import covers, missing
from codat_hub.errors import Absent, Conflict, Problem
from codat_hub.products.usecases.registry import registered
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.companies import ports
    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.consent import ConsentEntry
    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products
    from codat_hub.storage.update import Updated

# After this time a function (28 s at most) has ended, and none of its calls can still arrive.
UNDER_WAY: Final = timedelta(seconds=60)


class Agreement(NamedTuple):
    """An assignment with its version, and the newest entry of its consent, None without one."""

    assignment: Assignment
    version: int
    entry: ConsentEntry | None

    def covers(self, product: Product) -> bool:
        """Tell whether the newest consent covers the product."""
        return self.entry is not None and covers(self.entry.consent, product)

    def with_consent(self) -> Assignment:
        """Return the assignment with a copy of the newest consent."""
        consent = None if self.entry is None else self.entry.consent
        return replace(self.assignment, consent=consent)


@dataclass(frozen=True)
class AssignmentContext:
    """Dependencies shared by AssignProduct and RemoveProduct. `check_client` raises WrongClient."""

    codat: ports.CompaniesAtCodat
    assignments: ports.Assignments
    ledger: ports.Consents
    registry: Products
    check_client: Callable[[], None]
    migrations: ports.Migrations
    refreshes: ports.Refreshes
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def registered(self, product: str) -> Product:
        """Return a product of the registry. Raises Absent for one that is not registered."""
        return registered(self.registry.read()[0], product)

    def refuse_during_migration(self, company_id: str, product: str) -> None:
        """Raise Conflict while a migration works on this product of this company."""
        if self.migrations.holds(company_id, product):
            raise Conflict(
                f"A migration is working on company {company_id} and product {product}: "
                "wait until it is over, or roll it back. `tools/hub migrations list` shows it."
            )

    def products_at_codat(self, company_id: str) -> tuple[str, ...] | None:
        """Return the products that Codat shows; None if it does not say.

        Raises Absent when Codat does not know the company.
        """
        try:
            return self.codat.company(company_id).products
        except NotFound as error:
            raise Absent(f"Codat has no company {company_id}.") from error

    def update(
        self,
        company_id: str,
        product: str,
        change: Callable[[Agreement], Assignment | None],
    ) -> Updated[Agreement, Assignment]:
        """Change an assignment by its newest consent; None leaves it. Raises Unavailable."""

        def read() -> tuple[Agreement, int]:
            # In this order: a consent that changes after the second read changes the version too.
            assignment, version = self.assignments.get(company_id, product)
            entry = self.ledger.newest(company_id, product)
            return Agreement(assignment, version, entry), version

        return update(read, change, self.assignments.put, "this company's product")

    def copy_consent(self, company_id: str, product: str) -> Assignment:
        """Copy the newest consent to the assignment and return it. Raises Unavailable."""

        def copied(standing: Agreement) -> Assignment | None:
            assignment = standing.with_consent()
            return None if assignment == standing.assignment else assignment

        standing, changed = self.update(company_id, product, copied)
        return changed or standing.assignment


def consent_missing(company_id: str, product: Product, entry: ConsentEntry | None) -> Conflict:
    """Return the error for a product that the newest consent does not cover."""
    if entry is None:
        why = "no consent is recorded"
    elif not entry.consent.active:
        why = "the consent was revoked"
    else:
        why = "the consent does not cover all of its data types"
    problems = [
        Problem("data_types", "not covered by a consent", data_type)
        for data_type in missing(None if entry is None else entry.consent, product)
    ]
    return Conflict(
        f"Product {product.identifier} is not on company {company_id}: {why}. Record one with "
        f"`tools/hub consents grant {company_id} {product.identifier}`, then repeat the request.",
        *problems,
    )
