"""A hub that reconciles with a sandbox in this process, through the real adapters."""

import warnings
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle

import httpx

from codat_hub.codat.adapters.api_key import GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.adapters.transport import Transport
from codat_hub.codat.usecases.client_binding import ClientBinding
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.codat_companies import CodatCompanies
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent, ConsentEntry
from codat_hub.companies.usecases.assignment_context import AssignmentContext
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.reconcile.adapters.codat_observer import Observer
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import Phase, ReconcileStatus
from codat_hub.reconcile.usecases.reconcile import Reconcile
from codat_hub.reconcile.usecases.reconcile_account import CheckAccount
from codat_hub.reconcile.usecases.reconcile_companies import CheckCompanies
from codat_hub.reconcile.usecases.reconcile_directory import CheckDirectory
from codat_hub.reconcile.usecases.start_reconcile import BeginReconcile
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from codat_hub.storage.items import SHARDS
from codat_hub.storage.state_table import StateTable
from codat_hub.webhooks.hub_address import HubAddress
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox
from tools.simulation.fakes import FakeConsentLedger, FakeMigrations, FakeStateTable

with warnings.catch_warnings():
    # It recommends a successor of httpx that this project does not use.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

KEY = "sandbox-api-key"
LENDING = ("chartOfAccounts", "customers", "suppliers", "invoices", "bills", "payments")
PRODUCTS = (
    Product(
        "invoice-finance",
        ProductKind.CUSTOM,
        data_types=("invoices", "payments", "customers"),
        schedule=Schedule("rate(1 day)"),
    ),
    Product(
        "cashflow-insights",
        ProductKind.CUSTOM,
        data_types=("payments", "banking-accounts", "banking-transactions"),
    ),
    Product("lending", ProductKind.STANDARD, data_types=LENDING),
)
API = "abc123"


class Codats:
    """The sandbox behind ASGI. It counts every request by method and kind of path."""

    def __init__(self, companies, seed=7):
        options = Options(companies=companies, seed=seed, failing_share=0, minute_limit=0)
        self.sandbox = Sandbox(options)
        self.http = TestClient(
            create_app(self.sandbox), base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)
        )
        self.client = CodatClient(Transport(self.http, GivenKey(KEY), base_url="http://127.0.0.1"))
        self.portal("quota", dailyQuota=10**7)
        self.portal("clock", speed=0.000001)  # no read ends, and nothing falls due by itself

    def portal(self, path, /, **body):
        answer = self.http.post(f"/_sandbox/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    @property
    def companies(self):
        return self.sandbox.world.state.companies

    @property
    def client_id(self):
        return self.client.client_id()

    def requests(self):
        found = self.http.get("/_sandbox/requests").json()
        return Counter((request["method"], _kind(request["path"])) for request in found)

    def forget_requests(self):
        self.http.delete("/_sandbox/requests")


def _kind(path):
    return "/".join("*" if len(part) == 36 else part for part in path.split("/"))


class Counting:
    """A State table that counts puts by the kind of their item."""

    def __init__(self, *args):
        super().__init__(*args)
        self.puts = Counter()

    def put(self, key, *args, **kwargs):
        self.puts[f"{key.pk.partition('#')[0]}/{key.sk.partition('#')[0]}"] += 1
        return super().put(key, *args, **kwargs)


class InMemory(Counting, FakeStateTable):
    """The State table in memory, fifty times as fast as moto's."""


class OnDynamoDB(Counting, StateTable):
    """The State table on moto, for tests about DynamoDB itself."""


@dataclass
class Clock:
    """Real time, which a test can move ahead."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self):
        return datetime.now(UTC) + self.ahead


class Secrets:
    def __init__(self):
        self.stored = ["platform"]

    def names(self):
        return self.stored


class Hub:
    """A hub of its own tables. `restarted()`: the same hub in another process."""

    def __init__(self, codat, table=None, ledger=None, clock=None, client_id=None):
        self.codat, self.clock = codat, clock or Clock()
        self.client_id = codat.client_id if client_id is None else client_id
        self.table, self.ledger = table or InMemory(), ledger or FakeConsentLedger()
        self.companies, self.assignments = CompanyStore(self.table), AssignmentStore(self.table)
        self.registry, self.runs = ProductStore(self.table), ReconcileRunStore(self.table)
        self.read_states = ReadStateStore(self.table)
        self.parking = ParkingStore(self.table)
        self.secrets = Secrets()
        self.observer = Observer(codat.client, now=self.clock)
        self.binding = ClientBinding(
            codat.client, ClientCheckStore(self.table), self.client_id, now=self.clock
        )
        context = AssignmentContext(
            CodatCompanies(codat.client),
            self.assignments,
            self.ledger,
            self.registry,
            self.binding,
            FakeMigrations(),
            CancelRefresh(TicketStore(self.table)),
            self.clock,
        )
        self.remove = RemoveProduct(context)
        self.begin = BeginReconcile(self.runs, now=self.clock)
        self.done = []
        self.reconcile = Reconcile(self.runs, self._steps(), done=self.done.append, now=self.clock)

    def _steps(self):
        return {
            Phase.ACCOUNT: CheckAccount(
                self.observer,
                self.binding.confirm,
                self.registry,
                self.secrets.names,
                self.runs,
                HubAddress(f"https://{API}.example/webhooks/codat", API),
                self.parking.expiring,
                now=self.clock,
            ),
            Phase.COMPANIES: CheckCompanies(
                self.observer,
                self.companies,
                self.assignments,
                self.ledger,
                self.registry,
                self.remove,
                now=self.clock,
            ),
            Phase.DIRECTORY: CheckDirectory(
                self.observer,
                self.companies,
                self.assignments,
                self.read_states,
                self.registry,
                self.runs,
                SHARDS,
                now=self.clock,
            ),
        }

    def restarted(self):
        return Hub(self.codat, self.table, self.ledger, self.clock, self.client_id)

    def register(self, *products):
        _, version = self.registry.read()
        assert self.registry.replace(products or PRODUCTS, version)

    def run(self, by="test"):
        """Run one reconcile from start to end, and return it as it is stored."""
        run = self.begin(by)
        assert self.go_on(run)
        return self.runs.get(run.reconcile_id)[0]

    def go_on(self, run, has_time=lambda: True):
        return self.reconcile(run.reconcile_id, has_time, timedelta(minutes=5))

    def drift(self, run):
        return [drift for _, rows in self.runs.drift(run, 0, run.step + 1) for drift in rows]

    def consent(
        self, company_id, product, status=AssignmentStatus.ASSIGNED, data_types=None, at=None
    ):
        """Assign a product and record its consent, in the ledger too; a day ago if not given."""
        kept = self._assignment(company_id, product, status, data_types, at)
        newest = self.ledger.newest(company_id, product)
        entry = ConsentEntry(newest.number + 1 if newest else 1, kept.consent, "test")
        assert self.ledger.append(company_id, entry)
        _, version = self.assignments.get(company_id, product)
        assert self.assignments.put(kept, version)

    def assign_everything(self):
        """Assign every product that Codat has; the ledger stays empty: only repairs read it."""
        for company in self.codat.companies.values():
            for product in company.products:
                assert self.assignments.put(self._assignment(company.id, product), 0)

    def _assignment(
        self, company_id, product, status=AssignmentStatus.ASSIGNED, data_types=None, at=None
    ):
        at = at or self.clock() - timedelta(days=1)
        types = {known.identifier: known.data_types for known in PRODUCTS}[product]
        consent = Consent(product, at, "owner", "v1", types if data_types is None else data_types)
        return Assignment(company_id, product, status, at, "test", consent)


# What Codat's list says of an odd company, in place of what is right.
_UNREADABLE = (
    {"tags": {"k": 1}},
    {"name": 7},
    {"dataConnections": [{"id": "d"}]},
    {"products": "x"},
    {"id": "a/b"},
)
_REFUSALS = (
    {"status": 400, "body": {"error": "not for this platform"}},
    {"status": 402, "body": {"error": "not in your plan"}},
    {"status": 403, "body": {"error": "forbidden"}},
)


class OddCompanies:
    """One of a hundred companies is odd from now on, and one of seven others has a new name.

    Of the odd ones a half is unreadable in Codat's list, and Codat refuses to tell the data status
    of the others.

    unreadable: the id or, without a readable id, the name of each company; refused: ids
    names: of all companies that are not odd, by id
    """

    def __init__(self, hub, *, every=100):
        companies = hub.codat.companies
        chosen = list(companies)[:: 2 * every]
        self._changes = dict(zip(chosen, cycle(_UNREADABLE), strict=False))
        self.unreadable = {
            companies[name].name if "id" in change else name
            for name, change in self._changes.items()
        }
        asked = [
            company_id
            for company_id, entry in hub.companies.get_many(companies).items()
            if entry.linked
            and "invoice-finance" in companies[company_id].products
            and company_id not in self._changes
        ]
        self.refused = set(sorted(asked)[: len(chosen)])
        for company_id, refusal in zip(sorted(self.refused), cycle(_REFUSALS), strict=False):
            path = f"/companies/{company_id}/dataStatus"
            hub.codat.portal("faults", path=path, times=10, **refusal)
        right = [company_id for company_id in companies if company_id not in self._changes]
        self.names = {company_id: companies[company_id].name for company_id in right}
        self.names |= {company_id: f"Renamed {company_id}" for company_id in right[::7]}
        self._send, hub.codat.http.send = hub.codat.http.send, self._answer

    def _answer(self, request, **options):
        response = self._send(request, **options)
        if request.url.path != "/companies":
            return response
        response.read()
        content = response.json()
        for company in content["results"]:
            known = company["id"]
            company.update(self._changes.get(known) or {"name": self.names[known]})
        return httpx.Response(200, json=content, request=request)

    def wrong(self, hub, run):
        """Return what the run should have done, and did not."""
        listed = {
            kind: {
                drift.company_id or drift.subject for drift in hub.drift(run) if drift.kind is kind
            }
            for kind in (DriftKind.ANSWER_UNREADABLE, DriftKind.NOT_CHECKED)
        }
        entries = hub.companies.get_many(self.names)
        names = {company_id: entry.name for company_id, entry in entries.items()}
        found = {
            "it is complete": run.status is ReconcileStatus.COMPLETE,
            "it counts every company": run.counts["companies"] == len(hub.codat.companies),
            "the unreadable ones are listed": listed[DriftKind.ANSWER_UNREADABLE]
            == self.unreadable,
            "the refused ones are listed": listed[DriftKind.NOT_CHECKED] == self.refused,
            "all others are right": names == self.names,
            "nobody is gone": not {DriftKind.COMPANY_GONE, DriftKind.COMPANY_VANISHED}
            & {DriftKind(kind) for kind in run.drift},
        }
        return [said for said, holds in found.items() if not holds]
