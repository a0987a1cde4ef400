"""A company, three products and the consents to them, in memory."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from codat_hub.companies.domain.consent import Consent, ConsentEntry
from codat_hub.companies.usecases.assign_product import AssignProduct
from codat_hub.companies.usecases.assignment_context import AssignmentContext
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.products.domain.product import Product, ProductKind
from tests.support.fakes import (
    FakeAssignments,
    FakeCodatCompanies,
    FakeProductRegistry,
    FakeRefreshes,
)
from tools.simulation.fakes import FakeConsentLedger, FakeMigrations

COMPANY, BY = "company-1", "arn:ann"
PRODUCT = Product("product-a", ProductKind.CUSTOM, data_types=("invoices", "payments"))
OTHER = Product("product-b", ProductKind.CUSTOM, data_types=("invoices",))
LENDING = Product("lending", ProductKind.STANDARD)


@dataclass
class World:
    now: datetime = datetime(2026, 7, 1, tzinfo=UTC)
    codat: FakeCodatCompanies = field(default_factory=lambda: FakeCodatCompanies(COMPANY))
    assignments: FakeAssignments = field(default_factory=FakeAssignments)
    ledger: FakeConsentLedger = field(default_factory=FakeConsentLedger)
    migrations: FakeMigrations = field(default_factory=FakeMigrations)
    refreshes: FakeRefreshes = field(default_factory=FakeRefreshes)
    client_fault: Exception | None = None

    def __post_init__(self):
        self.context = AssignmentContext(
            codat=self.codat,
            assignments=self.assignments,
            ledger=self.ledger,
            registry=FakeProductRegistry(PRODUCT, OTHER, LENDING),
            check_client=self.check_client,
            migrations=self.migrations,
            refreshes=self.refreshes,
            now=lambda: self.now,
        )

    def check_client(self):
        if self.client_fault:
            raise self.client_fault

    def agree(self, product=PRODUCT, *, revoked=False, data_types=None):
        known = self.ledger.newest(COMPANY, product.identifier)
        consent = Consent(
            product.identifier,
            self.now,
            "J. Baker",
            "1",
            product.data_types if data_types is None else data_types,
            self.now if revoked else None,
        )
        self.ledger.append(COMPANY, ConsentEntry(known.number + 1 if known else 1, consent, BY))

    def add(self, product=PRODUCT, company=COMPANY):
        return AssignProduct(self.context)(company, product.identifier, BY)

    def remove(self, product=PRODUCT):
        return RemoveProduct(self.context)(COMPANY, product.identifier, BY, "no longer wanted")

    @property
    def status(self):
        return self.assignments.get(COMPANY, PRODUCT.identifier)[0].status

    @property
    def held(self):
        return self.codat.held[COMPANY]
