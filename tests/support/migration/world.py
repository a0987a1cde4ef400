"""A hub and a client to migrate, in one process.

The sandbox answers the real client, the ledger is in memory, and a walker runs the definition with
virtual time. Only AWS and the network are missing.
"""

import asyncio
import json
import types
from dataclasses import replace

import httpx

from codat_hub.codat.adapters.api_key import ApiKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Transport
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent
from codat_hub.migration.adapters.codat_calls import MigrationCalls
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.domain.run import MigrationRequest, Mode
from codat_hub.migration.usecases.context import Limits, StepContext
from codat_hub.migration.usecases.lock import MigrationLock
from codat_hub.migration.usecases.operate import OperateMigrations
from codat_hub.migration.usecases.watch import WatchMigrations
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.webhooks.hub_address import HubAddress
from tests.support.migration.asl_walker import Aborted, Failed, Walker
from tests.support.migration.fakes import (
    FakeExecutions,
    FakeManifests,
    FakeReads,
    FakeSecrets,
)
from tools.samconfig import ROOT
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox
from tools.simulation.fakes import FakeStateTable

DEFINITION = json.loads((ROOT / "statemachines" / "migration.asl.json").read_text())
HUB_URL = "https://hub.example/webhooks/codat"
OLD_URL = "https://old.example/hook"
PRODUCTS = ("invoice-finance", "cashflow-insights", "lending")
OPERATOR, OTHER = "arn:aws:iam::1:user/olive", "arn:aws:iam::1:user/otto"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def deployed(function, bucket, token_seconds=None):
    """Return the definition with its substitutions. `token_seconds`: the time that people have."""
    text = json.dumps(DEFINITION)
    text = text.replace("${RunMigrationStep}", function).replace("${ManifestBucket}", bucket)
    definition = json.loads(text)
    for state in definition["States"].values():
        if token_seconds and state.get("Resource", "").endswith(".waitForTaskToken"):
            state["TimeoutSeconds"] = token_seconds
    return definition


class InProcess(httpx.BaseTransport):
    """A transport to an ASGI application, without a socket."""

    def __init__(self, app):
        self._app = httpx.ASGITransport(app)
        self._loop = asyncio.new_event_loop()

    def handle_request(self, request):
        return self._loop.run_until_complete(self._exchange(request))

    async def _exchange(self, request):
        answer = await self._app.handle_async_request(
            httpx.Request(
                request.method, request.url, headers=request.headers, content=request.read()
            )
        )
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    def close(self):
        self._loop.close()


class Key:
    def current(self):
        return ApiKey("sandbox-api-key")

    def forget(self):
        pass


class World:
    """`operator` is called with the reason of each wait; it may act through `migrations`."""

    def __init__(self, companies=6, old=True, **options):
        chosen = Options(
            companies=companies,
            old_consumers_url=OLD_URL if old else None,
            minute_limit=0,
            **options,
        )
        self.sandbox = Sandbox(chosen)
        self.transport = InProcess(create_app(self.sandbox))
        self.http = httpx.Client(transport=self.transport)
        self.codat_client = CodatClient(Transport(self.http, Key(), base_url="http://localhost"))
        self.codat = MigrationCalls(self.codat_client)
        self.table = FakeStateTable()
        self.ledger, self.assignments = MigrationLedger(self.table), AssignmentStore(self.table)
        self.manifests, self.reads = FakeManifests(), FakeReads(self.now)
        self.registry = types.SimpleNamespace(products=lambda: self.products)
        self.products = {
            product.identifier: Product(
                product.identifier,
                ProductKind.CUSTOM if product.custom else ProductKind.STANDARD,
                data_types=tuple(product.data_types),
            )
            for product in self.sandbox.world.state.products.values()
        }
        self.executions, self.secrets = FakeExecutions(), FakeSecrets()
        self.migrations = OperateMigrations(
            self.ledger,
            self.executions,
            self.secrets,
            self.registry,
            self.assignments,
            consumers=self._consumers,
            now=self.now,
        )
        self.lock = MigrationLock(self.ledger, self.executions, self.now)
        self.watch = WatchMigrations(self.ledger, self.executions, self.now)
        self.operator = self.willing
        self.around = lambda call, payload: call(payload)
        self.visited, self.ends, self.waited, self.pauses = [], {}, [], []
        self.so_far = []
        self.remaining = lambda: 240_000
        for company in self.sandbox.world.state.companies:
            for product in PRODUCTS:
                self.consent(company, product)

    def now(self):
        return self.sandbox.clock.now()

    def pass_time(self, seconds):
        self.waited.append(seconds)
        self.sandbox.clock.leap(seconds)
        self.sandbox.tick()

    def _consumers(self):
        return self.codat.consumers()  # of the Codat that a test has put in place

    # the client

    @property
    def state(self):
        return self.sandbox.world.state

    @property
    def companies(self):
        return list(self.state.companies)

    def consent(self, company, product, *, revoked=False):
        _, version = self.assignments.get(company, product)
        consent = Consent(
            product,
            self.now(),
            "the owner",
            "v1",
            self.products[product].data_types,
            self.now() if revoked else None,
        )
        had = product in self.state.companies[company].products
        status = AssignmentStatus.ASSIGNED if had else AssignmentStatus.ABSENT
        self.assignments.put(
            replace(Assignment(company, product, status), consent=consent), version
        )

    def newest_consent(self, company, product):
        consent = self.assignments.get(company, product)[0].consent
        return consent and types.SimpleNamespace(consent=consent)

    def codat_now(self):
        """Return everything that a rollback has to restore, except the ids of consumers."""
        settings = {"client": self.codat.client_settings()}
        for company in self.companies:
            settings[company] = self.codat.company_settings(company)
        consumers = sorted(
            json.dumps(
                [
                    consumer.url,
                    sorted(consumer.event_types),
                    sorted(consumer.tags),
                    consumer.disabled,
                ]
            )
            for consumer in self.codat.consumers()
        )
        products = {
            company.id: sorted(company.products) for company in self.state.companies.values()
        }
        return json.dumps([settings, consumers, products], sort_keys=True)

    def writes(self, since=0):
        """Return the method and path of each request that changed something at Codat."""
        return [
            f"{request['method']} {request['path']}"
            for request in self.sandbox.requests.after(since)
            if request["method"] != "GET" and "codat-hub-probe" not in request["path"]
        ]

    # the operator

    def willing(self, waiting_for):
        run = self.run
        match waiting_for:
            case "approval" | "products_kept":
                self.migrations.approve(run.migration_id, OTHER)
            case "webhooks_disabled":
                self.portal(disabled=True)
                self.migrations.confirm_webhooks_disabled(run.migration_id)
            case "webhooks_restored":
                self.portal(disabled=False)
                self.migrations.confirm_webhooks_restored(run.migration_id)
            case "signing_secret":
                self.confirm_secrets()

    def portal(self, *, disabled):
        """Disable or enable the consumers that the instructions name."""
        instructions = "\n".join(self.run.pause.instructions)
        for consumer in self.sandbox.office.state.consumers.values():
            if consumer.id in instructions:
                consumer.disabled = disabled

    def confirm_secrets(self):
        for entry in self.ledger.under(self.run.migration_id, "NEW_CONSUMER#").values():
            if entry.detail["hub_consumer"] and self.run.pause:
                self.migrations.confirm_secret(
                    self.run.migration_id, entry.detail["consumer_id"], SECRET
                )

    def portal_call(self, path, body):
        """Send a request to the sandbox's own API."""
        answer = self.http.post(f"http://localhost/_sandbox{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    # running

    def context(self):
        return StepContext(
            codat=self.codat,
            ledger=self.ledger,
            manifests=self.manifests,
            assignments=self.assignments,
            consents=types.SimpleNamespace(newest=self.newest_consent),
            registry=self.registry,
            read_states=self.reads,
            signing_secrets=self.secrets,
            check_client=lambda: None,
            limits=Limits(wait_scale=1, calls_a_second=5, hub=HubAddress(HUB_URL, "api")),
            now=self.now,
            sleep=self.pass_time,
        )

    @property
    def run(self):
        return self.ledger.get(self.migration_id)

    def start(self, **request):
        self.request = MigrationRequest(**{"products": PRODUCTS, "mode": Mode.API, **request})
        self.migration_id = self.migrations.start(self.request, OPERATOR).migration_id
        return self.migration_id

    def migrate(self, **request):
        """Start a migration and run every execution to its end; return the run."""
        self.start(**request)
        return self.go()

    def go(self):
        while self.executions.queue:
            self.walk(*self.executions.queue.pop(0))
        return self.run

    def walk(self, name, state):
        walker = Walker(
            DEFINITION,
            self.invoke,
            self.manifests.get,
            self.pass_time,
            self.on_token,
            lambda: not self.executions.runs(name),
        )
        self.so_far = walker.visited
        try:
            walker.run(state)
            end = "SUCCEEDED"
        except Failed as failure:
            end = f"FAILED {failure.error}"
        except Aborted:
            end = "ABORTED"
        self.visited += walker.visited
        self.executions.status[name] = end.split()[0]
        self.ends[name] = end
        if end != "SUCCEEDED":
            self.watch.ended(name)  # as the rule of EventBridge does

    def on_token(self, waiting_for, token):
        self.pauses.append(waiting_for)
        self.operator(waiting_for)
        return token in self.executions.resumed

    def invoke(self, payload):
        return self.around(self.step, payload)

    def step(self, payload):
        """Call the handler; its exception becomes the error that Lambda answers."""
        from codat_hub.handlers import run_migration_step  # noqa: PLC0415  # its environment first

        run_migration_step.step_context = self.context()
        context = types.SimpleNamespace(
            get_remaining_time_in_millis=self.remaining,
            function_name="f",
            memory_limit_in_mb=1,
            invoked_function_arn="a",
            aws_request_id="r",
        )
        try:
            answer = run_migration_step.handler(json.loads(json.dumps(payload)), context)
        except Exception as fault:
            said = json.dumps({"errorType": type(fault).__name__, "errorMessage": str(fault)})
            raise Failed(type(fault).__name__, said) from fault
        return json.loads(json.dumps(answer))

    def close(self):
        self.transport.close()


def in_the_middle(world, step, act):
    """Call `act` just before a step runs for the first time."""
    done = []

    def around(call, payload):
        if payload["step"] == step and not done:
            done.append(step)
            act()
        return call(payload)

    world.around = around


def change_after_first_approval(world):
    """Change the client's settings at Codat once the plan is approved, before the snapshot."""

    def operator(waiting_for):
        first = world.pauses.count("approval") == 1
        world.willing(waiting_for)
        if waiting_for == "approval" and first:
            world.state.client_settings.settings[0].sync_schedule = 12

    world.operator = operator
