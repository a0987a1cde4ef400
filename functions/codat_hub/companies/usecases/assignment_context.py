"""A product on a company, as adding and removing work on it: what both need of the outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.codat.errors import NotFound
from codat_hub.companies.domain.consent import missing
from codat_hub.errors import Absent, Conflict, Problem, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.consent import ConsentEntry
    from codat_hub.companies.domain.new_company import CodatCompany
    from codat_hub.products.domain.product import Product

# Longer than a function lives (28 s) and a call of it can be on its way.
UNDER_WAY: Final = timedelta(seconds=60)
TRIES: Final = 10  # at an assignment that others keep changing


class Codat(Protocol):
    def company(self, company_id: str) -> CodatCompany: ...
    def add_product(self, company_id: str, product: str) -> None: ...
    def remove_product(self, company_id: str, product: str) -> None: ...


class Assignments(Protocol):
    def get(self, company_id: str, product: str) -> tuple[Assignment, int]: ...
    def put(self, assignment: Assignment, version: int) -> bool: ...


class Ledger(Protocol):
    def newest(self, company_id: str, product: str) -> ConsentEntry | None: ...


class ProductRegistry(Protocol):
    def read(self) -> tuple[Mapping[str, Product], int]: ...


class MigrationLock(Protocol):
    def holds(self, company_id: str, product: str) -> bool:
        """Tell whether a migration is working on this pair: then nobody else may change it."""
        ...


class Refreshes(Protocol):
    def cancel(self, company_id: str, product: str, reason: str) -> None:
        """End what is planned for the pair. The worker looks at the assignment before each call,

        so this saves work and is no guarantee.
        """
        ...


@dataclass(frozen=True)
class Pairs:
    """What both directions work with. `check_client` raises WrongClient."""

    codat: Codat
    assignments: Assignments
    ledger: Ledger
    registry: ProductRegistry
    check_client: Callable[[], None]
    migrations: MigrationLock
    refreshes: Refreshes
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def registered(self, product: str) -> Product:
        """Raise Absent for a product that is not registered."""
        products, _ = self.registry.read()
        if product not in products:
            raise Absent(f"No product {product!r} is registered; GET /products lists them.")
        return products[product]

    def refuse_during_migration(self, company_id: str, product: str) -> None:
        if self.migrations.holds(company_id, product):
            raise Conflict(
                f"A migration is working on company {company_id} and product {product}: "
                "wait until it is over, or roll it back."
            )

    def products_at_codat(self, company_id: str) -> tuple[str, ...] | None:
        """Raise Absent when Codat does not know the company."""
        try:
            return self.codat.company(company_id).products
        except NotFound as error:
            raise Absent(f"Codat has no company {company_id}.") from error

    def copy_consent(self, company_id: str, product: str) -> Assignment:
        """Copy the newest consent to the assignment, which others read. Raises Unavailable."""
        for _ in range(TRIES):
            current, version = self.assignments.get(company_id, product)
            entry = self.ledger.newest(company_id, product)
            changed = replace(current, consent=None if entry is None else entry.consent)
            if changed == current or self.assignments.put(changed, version):
                return changed
        raise contended()


def consent_missing(company_id: str, product: Product, entry: ConsentEntry | None) -> Conflict:
    """Return what to raise when the consent does not cover the product; it names what it lacks."""
    if entry is None:
        why = "no consent is recorded"
    elif not entry.consent.active:
        why = "the consent was revoked"
    else:
        why = "the consent does not cover all of its data types"
    problems = [
        Problem("data_types", "not covered by a consent", one)
        for one in missing(None if entry is None else entry.consent, product)
    ]
    return Conflict(
        f"Product {product.identifier} is not on company {company_id}: {why}. Record one with "
        f"PUT /companies/{company_id}/consents/{product.identifier}, then repeat the request.",
        *problems,
    )


def contended() -> Unavailable:
    return Unavailable("others keep changing this company's product at the same time")
