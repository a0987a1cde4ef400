"""A hub of any size on a fake table, to count what a request or a scheduled function reads."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace

from codat_hub.api.app import answer
from codat_hub.api.queries.companies import CompanyQueries
from codat_hub.api.queries.status import ShowStatus
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent, ConsentEntry
from codat_hub.companies.usecases.assignment_context import AssignmentContext
from codat_hub.companies.usecases.consents import RecordConsents
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.domain.run import MigrationRequest, MigrationRun, MigrationStatus
from codat_hub.migration.usecases.operate import OperateMigrations
from codat_hub.migration.usecases.watch import WatchMigrations
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.product_events.domain.freshness import overdue_from
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.product_events.domain.replay import Parked, Replay
from codat_hub.product_events.domain.resend import Resend, ResendStatus, TimeSpan
from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.usecases.registry import Registry
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.observed import (
    ObservedCompany,
    ObservedConnection,
    ObservedPage,
    ObservedSettings,
)
from codat_hub.reconcile.domain.reconcile_run import Phase, ReconcileRun, ReconcileStatus
from codat_hub.reconcile.usecases.reconcile_companies import CheckCompanies
from codat_hub.reconcile.usecases.reconcile_directory import CheckDirectory
from codat_hub.reconcile.usecases.show_reconciles import ShowReconciles
from codat_hub.reconcile.usecases.start_reconcile import BeginReconcile
from codat_hub.refresh.adapters.refresh_run_store import RefreshRunStore
from codat_hub.refresh.domain.refresh_run import RefreshRun
from codat_hub.refresh.domain.ticket import LONGEST, Ticket
from codat_hub.refresh.usecases.refresh_now import RefreshNow
from codat_hub.storage.items import SHARDS
from tools.simulation.fakes import FakeConsentLedger, FakeMigrations
from tools.simulation.many_products import (
    Cost,
    a_world,
    add_tickets,
    company_names,
    product_names,
)
from tools.simulation.refresh_world import START, a_product

NOW = START + timedelta(days=3)
LONG_AGO = START - timedelta(days=30)
REPLAY = "7d3c0f8e-9d7b-4c40-9f0a-3a0f5a1f2b11"


@dataclass(frozen=True)
class Size:
    """How large the hub is.

    tickets: how many are due
    history: entries of each consent, finished runs of every kind, and steps of a reconcile
    """

    companies: int = 900
    products: int = 10
    tickets: int = 3000
    history: int = 120


class ReadsWorld:
    """A hub where every company has every product, and all of it is overdue."""

    def __init__(self, size):
        self.size = size
        self.companies_ids = company_names(size.companies)
        self.names = product_names(size.products)
        self.refreshes = a_world(*self.names)
        self.refreshes.clock = NOW
        self.table = self.refreshes.table
        self.ledger = FakeConsentLedger()
        self.products = ProductStore(self.table)
        self.companies = CompanyStore(self.table)
        self.assignments = AssignmentStore(self.table)
        self.read_states = ReadStateStore(self.table)
        self.migrations = MigrationLedger(self.table)
        self.reconciles = ReconcileRunStore(self.table)
        self.replays = ReplayStore(self.table)
        self._fill()
        self.hub = self._hub()

    def now(self):
        return NOW

    # what there is

    def _fill(self):
        for company_id in self.companies_ids:
            self._company(company_id)
        share = -(-self.size.tickets // len(self.names))
        for name in self.names:
            add_tickets(self.refreshes, name, [f"t{number:05}" for number in range(share)])
        add_tickets(self.refreshes, self.names[0], self.companies_ids[:1])
        by_client_settings = Ticket(self.companies_ids[0], None, NOW, NOW, NOW + LONGEST)
        self.refreshes.tickets.put(by_client_settings, 0)
        self.replays.put(Replay(REPLAY, Parked(), "a", NOW, NOW), 0)
        for number in range(self.size.history):
            self._past(number)

    def _company(self, company_id):
        linked = {"k": Connection(Stamp(LONG_AGO, "e"), "Linked")}
        company = Company(company_id, "A company", products=tuple(self.names), connections=linked)
        self.companies.put(company, 0)
        for name in self.names:
            consent = Consent(name, LONG_AGO, "owner", "v1", ("invoices",))
            given = Assignment(company_id, name, AssignmentStatus.ASSIGNED, LONG_AGO, "a", consent)
            self.assignments.put(given, 0)
            late = overdue_from(given, company, a_product(name), LONG_AGO)
            state = ReadState(last_read_at=LONG_AGO, overdue_from=late)
            self.read_states.put(company_id, name, state, 0)
        if company_id == self.companies_ids[0]:
            for name in self.names:
                consent = Consent(name, LONG_AGO, "owner", "v1", ("invoices",))
                for number in range(self.size.history):
                    self.ledger.append(company_id, ConsentEntry(number + 1, consent, "a"))

    def _past(self, number):
        at = LONG_AGO + timedelta(hours=number)
        request = MigrationRequest(products=tuple(self.names), dry_run=True)
        run = MigrationRun(f"m-{number}", request, at, "a", f"m-{number}-1", execution_at=at)
        self.migrations.create(replace(run, status=MigrationStatus.FAILED))
        self.migrations.take(run.migration_id, number)
        done = ReconcileRun(f"r{number:05}", "a", at, status=ReconcileStatus.COMPLETE)
        _, version = self.reconciles.present()
        self.reconciles.begin(replace(done, step=self.size.history), version)
        gone = Drift(DriftKind.COMPANY_UNKNOWN, "unknown", f"c{number}")
        self.reconciles.note(replace(done, reconcile_id="r00000", step=number), [gone])
        for name in self.names:
            RefreshRunStore(self.table).put(RefreshRun(name, at, done=True), 0)

    # the use cases

    def _hub(self):
        context = AssignmentContext(
            SimpleNamespace(), self.assignments, self.ledger, self.products, lambda: None,
            FakeMigrations(), SimpleNamespace(), self.now,
        )  # fmt: skip
        executions = SimpleNamespace(lives=lambda *_: False)
        return SimpleNamespace(
            registry=Registry(self.products, SimpleNamespace(), self.assignments.count),
            companies=CompanyQueries(self.companies, self.assignments, self.read_states, SHARDS),
            consents=RecordConsents(context, self.companies),
            freshness=MeasureFreshness(
                self.companies, self.assignments, self.read_states, self.products, SHARDS, self.now
            ),
            replays=self.replays,
            resends=SimpleNamespace(show=a_resend),  # EventBridge has them, and no table
            refresh_now=RefreshNow(
                self.refreshes.tickets, self.assignments, self.companies, self.products,
                SimpleNamespace(), SimpleNamespace(), self.now,
            ),
            reconciles=ShowReconciles(self.reconciles),
            migrations=OperateMigrations(
                self.migrations, executions, SimpleNamespace(), self.products, self.assignments,
                consumers=list,
            ),
            status=ShowStatus(
                "test", "client", lambda: None, self.reconciles, self.products,
                RateLimitNoticeStore(self.table), RateLimiterStore(self.table), self.now,
            ),
        )  # fmt: skip

    def get(self, path, **query):
        """Call a route, and return its answer. A status other than 200 is an error."""
        event = {
            "httpMethod": "GET",
            "path": path,
            "headers": {},
            "multiValueHeaders": {},
            "queryStringParameters": query or None,
            "multiValueQueryStringParameters": {name: [text] for name, text in query.items()},
            "requestContext": {"requestId": "r", "identity": {"userArn": "arn"}},
            "body": None,
            "isBase64Encoded": False,
        }
        found = answer(self.hub, event, SimpleNamespace())
        if found["statusCode"] != 200:
            raise RuntimeError(f"GET {path} is answered {found['statusCode']}: {found['body']}")
        return json.loads(found["body"])

    def plan(self):
        """Plan a page of a slot."""
        pages = iter([True])
        planner = self.refreshes.planner
        planner(self.names[0], START + timedelta(hours=71), lambda: next(pages, False))

    def resume(self):
        self.refreshes.planner.resume(lambda: True)

    def watch(self):
        WatchMigrations(self.migrations, SimpleNamespace(), self.now).look()

    def begin_reconcile(self):
        BeginReconcile(self.reconciles, self.now)("schedule")

    def companies_page(self):
        """Compare a page of Codat's list that is as the hub has it."""
        linked = {"k": ObservedConnection("Linked")}
        listed = tuple(
            ObservedCompany(company_id, "A company", tuple(self.names), linked)
            for company_id in self.companies_ids[:100]
        )
        codat = SimpleNamespace(
            calls=0,
            companies=lambda _: ObservedPage(NOW, listed, has_next=True),
            override=lambda _: ObservedSettings(),
        )
        check = CheckCompanies(
            codat, self.companies, self.assignments, self.ledger, self.products,
            SimpleNamespace(), self.now,
        )  # fmt: skip
        check(ReconcileRun("r", "a", NOW, phase=Phase.COMPANIES))

    def directory_page(self):
        """Check a page of the directory, whose companies are all listed and all overdue."""
        codat = SimpleNamespace(calls=0, statuses=lambda _: {})
        runs = SimpleNamespace(seen=lambda _: set(self.companies_ids))
        check = CheckDirectory(
            codat, self.companies, self.assignments, self.read_states, self.products, runs,
            SHARDS, self.now,
        )  # fmt: skip
        check(ReconcileRun("r", "a", NOW, phase=Phase.DIRECTORY))


def _get(path, **query):
    def act(world):
        first = {"company_id": world.companies_ids[0], "product": world.names[0]}
        given = {name: str(value).format(**first) for name, value in query.items()}
        runs = {"migration_id": "m-0", "reconcile_id": "r00000", "replay_id": REPLAY}
        runs["resend_id"] = "r1"
        world.get(path.format(**first, **runs), **given)

    shown = "&".join(f"{name}={value}" for name, value in query.items())
    act.route = path
    act.title = f"GET {path}" + (f"?{shown}" if shown else "")
    return act


def _function(title, act: Callable):
    act.title, act.route = title, None
    return act


def a_resend(resend_id):
    return Resend(resend_id, "lending", TimeSpan(NOW, NOW), ResendStatus.RUNNING)


COMPANY = "/companies/{company_id}"
OPERATIONS = (
    _get("/companies", limit=200),
    _get("/companies", limit=200, product="{product}", name="none"),
    _get(COMPANY),
    _get(COMPANY + "/consents"),
    _get(COMPANY + "/consents", history="true"),
    _get(COMPANY + "/products/{product}/refresh"),
    _get(COMPANY + "/refresh"),
    _get("/freshness", limit=200),
    _get("/freshness", limit=200, product="{product}"),
    _get("/freshness", company="{company_id}"),
    _get("/freshness", limit=200, overdue="true"),
    _get("/migrations"),
    _get("/migrations/{migration_id}"),
    _get("/migrations/{migration_id}/report"),
    _get("/products"),
    _get("/products/{product}"),
    _get("/reconciles", limit=50),
    _get("/reconciles/{reconcile_id}", limit=50),
    _get("/replays/{replay_id}"),
    _get("/resends/{resend_id}"),
    _get("/status"),
    _function("plan_refreshes, a page of a slot", ReadsWorld.plan),
    _function("plan_refreshes, each minute", ReadsWorld.resume),
    _function("dispatch_refreshes, each minute", lambda world: world.refreshes.dispatcher()),
    _function("watch_migrations, each hour", ReadsWorld.watch),
    _function("reconcile, its start each night", ReadsWorld.begin_reconcile),
    _function("reconcile, a page of Codat's list", ReadsWorld.companies_page),
    _function("reconcile, a page of the directory", ReadsWorld.directory_page),
)


def costs(size):
    """Return reads and writes of each operation, by its title, in a hub of this size."""
    world = ReadsWorld(size)
    found = {}
    for operation in OPERATIONS:
        with Cost(world.table, world.ledger) as cost:
            operation(world)
        found[operation.title] = (cost.reads, cost.writes)
    return found
