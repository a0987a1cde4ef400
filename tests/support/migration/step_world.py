"""One migration whose steps are called one by one, with everything around it in memory."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.domain.consent import Consent, ConsentEntry
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.domain.chunk import Chunk, ListedCompany, Member
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationRequest, MigrationRun
from codat_hub.migration.usecases.context import CLIENT, Command, Limits, StepContext, company_entry
from codat_hub.migration.usecases.lock import MigrationLock
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.webhooks.hub_address import HubAddress
from tests.support.migration.fakes import (
    FakeCodat,
    FakeExecutions,
    FakeManifests,
    FakeSecrets,
    settings,
)
from tools.simulation.fakes import FakeConsentLedger, FakeStateTable

ID = "m-20261122-101500-ab12cd"
HUB_URL = "https://hub.example/webhooks/codat"
NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Registry:
    def __init__(self, *products):
        self.known = {product.identifier: product for product in products}

    def products(self):
        return self.known


class ReadStates:
    def __init__(self):
        self.known = {}

    def get(self, company_id, product):
        return self.known.get((company_id, product), ReadState()), 1


class StepWorld:
    """`wrong_client`: what the check of the client raises; `checks`: how often it was asked."""

    def __init__(self, **request):
        self.codat, self.manifests, self.secrets = FakeCodat(), FakeManifests(), FakeSecrets()
        self.ledger, self.executions = MigrationLedger(FakeStateTable()), FakeExecutions()
        self.assignments = AssignmentStore(FakeStateTable())
        self.consents, self.read_states = FakeConsentLedger(), ReadStates()
        self.registry = Registry(
            Product("lending", ProductKind.CUSTOM, data_types=("invoices",)),
            Product("banking", ProductKind.STANDARD, data_types=("accounts",)),
        )
        self.now, self.checks, self.wrong_client = NOW, 0, None
        self.lock = MigrationLock(self.ledger, self.executions, lambda: self.now)
        self.context = StepContext(
            codat=self.codat,
            ledger=self.ledger,
            manifests=self.manifests,
            assignments=self.assignments,
            consents=self.consents,
            registry=self.registry,
            read_states=self.read_states,
            signing_secrets=self.secrets,
            check_client=self._check_client,
            limits=Limits(wait_scale=1, calls_a_second=5, hub=HubAddress(HUB_URL, "api")),
            now=lambda: self.now,
            sleep=self._sleep,
        )
        self.ledger.create(
            MigrationRun(
                migration_id=ID,
                request=MigrationRequest(**{"products": ("lending",), **request}),
                started_at=NOW,
                started_by="olive",
                execution=ID,
                execution_at=NOW,
                listing="snapshot",
                chunks={"snapshot": 1, "undo": 1},
                off_value=0,
                plan={"wait_seconds": 3600},
            )
        )

    def _sleep(self, seconds):
        self.now += timedelta(seconds=seconds)

    def _check_client(self):
        self.checks += 1
        if self.wrong_client:
            raise self.wrong_client

    @property
    def run(self):
        return self.ledger.get(ID)

    def change(self, **fields):
        self.ledger.change(ID, lambda run: replace(run, **fields))

    def entry(self, name):
        return self.ledger.entry(ID, name)

    def command(self, *company_ids, listing="snapshot", epoch=1, **fields):
        """Return the command of a step; with companies, of a step on one chunk of these."""
        members = [self.member(company_id) for company_id in company_ids]
        chunk = Chunk(f"{listing}-000000", tuple(members)) if members else None
        return Command(ID, epoch, chunk=chunk, **fields)

    def undo(self, *company_ids, **fields):
        """Return the command of an undo."""
        return self.command(*company_ids, listing="undo", **fields)

    def member(self, company_id):
        company = self.codat.companies.get(company_id)
        if company is None:
            return Member(company_id, True)
        return Member(company_id, company.linked, company.products)

    def company(
        self, company_id, *hours, counts=True, products=(), linked=True, late=False, consent=True
    ):
        """Add a company at Codat, with its snapshot unless it came late."""
        self.codat.companies[company_id] = ListedCompany(company_id, linked, products, {})
        level = {**settings(*hours, counts=counts), "companyId": company_id}
        self.codat.levels[company_id] = level
        if consent:
            self.consent(company_id)
        if not late:
            facts = {"settings": level, "products": list(products), "linked": linked}
            self.ledger.first(ID, company_entry(company_id), LedgerEntry(facts))
        return company_id

    def consent(self, company_id, product="lending", *, revoked=False):
        known = self.consents.newest(company_id, product)
        number = known.number + 1 if known else 1
        data_types = self.registry.known[product].data_types
        consent = Consent(product, NOW, "owner", "v1", data_types, NOW if revoked else None)
        self.consents.append(company_id, ConsentEntry(number, consent, "olive"))
        assignment, version = self.assignments.get(company_id, product)
        self.assignments.put(replace(assignment, consent=consent), version)

    def another(self, migration_id, **fields):
        """Write a run that is like this one but for its id and these fields."""
        run = replace(self.run, migration_id=migration_id, execution=migration_id, **fields)
        self.ledger.create(run)
        return run

    def latest(self, migration_id):
        """Make this the migration that was started last."""
        assert self.ledger.take(migration_id, self.ledger.latest()[1])

    def save_client(self, *consumers):
        """Add consumers at Codat, and take the snapshot of the client."""
        self.codat.hooks += consumers
        before = {
            "settings": self.codat.client,
            "consumers": [asdict(consumer) for consumer in self.codat.hooks],
        }
        self.ledger.first(ID, CLIENT, LedgerEntry(before))

    def tally(self, phase, listing="snapshot"):
        return self.ledger.tally(ID, phase, f"{listing}-000000")
