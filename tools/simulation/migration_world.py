"""A hub and a client to migrate in one process, with Codat behind HTTP and one virtual clock.

The state machine's definition, the step function's handler, the client of Codat's API and the
sandbox are the real ones. AWS is in memory. A wait, a retry, a timeout and the 90 minutes of an
idempotency key take no time.
"""

import asyncio
import json
import os
import random
import types
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest import mock

import httpx

from codat_hub.codat.adapters.api_key import ApiKey, SecretKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.adapters.transport import Timeouts, Transport
from codat_hub.codat.errors import CallFailed
from codat_hub.codat.usecases.client_binding import ClientBinding
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent
from codat_hub.migration.adapters.codat_calls import MigrationCalls
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.domain.run import MigrationRequest, Mode
from codat_hub.migration.usecases.context import Limits, StepContext
from codat_hub.migration.usecases.operate import OperateMigrations
from codat_hub.migration.usecases.watch import WatchMigrations
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.webhooks.fingerprint import fingerprint
from codat_hub.webhooks.hub_address import HubAddress
from tools.samconfig import ROOT
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox
from tools.sandbox.settings.sync_settings import client_view, company_view, effective
from tools.simulation.fakes import FakeStateTable
from tools.simulation.silence import silence
from tools.simulation.state_machine import Aborted, Execution, Failed

ENVIRONMENT = {
    "STATE_TABLE": "state",
    "CONSENTS_TABLE": "consents",
    "MANIFEST_BUCKET": "manifests",
    "CODAT_API_KEY_ARN": "arn:key",
    "SIGNING_SECRETS_ARN": "arn:signing",
    "CODAT_BASE_URL": "https://codat.example",
    "CODAT_CLIENT_ID": "",
    "CODAT_CALLS_A_SECOND": "5",
    "WAIT_SCALE": "1",
    "WEBHOOKS_URL": "https://hub.example/webhooks/codat",
    "WEBHOOKS_API_ID": "api",
    "AWS_DEFAULT_REGION": "eu-west-2",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
}
# the handler reads its settings at its import, and botocore logs where it found credentials
with silence(), mock.patch.dict(os.environ, ENVIRONMENT):
    from codat_hub.handlers import run_migration_step

DEFINITION = json.loads((ROOT / "statemachines" / "migration.asl.json").read_text())
HUB_URL, OLD_URL = "https://hub.example/webhooks/codat", "https://old.example/hook"
PRODUCTS = ("invoice-finance", "cashflow-insights", "lending")
OPERATOR, OTHER = "arn:aws:iam::1:user/olive", "arn:aws:iam::1:user/otto"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105  # made up
START = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
FUNCTION_SECONDS = 240  # the step function's timeout in template.yaml
_PATIENCE = timedelta(hours=40)  # of a person
_LATER = 600  # seconds from one try of a person to the next
_TICK = 0.2  # seconds from one call of Codat to the next: the pace of the step function


class OutOfTime(BaseException):
    """Lambda ends the function in the middle of its work."""


class StillSandbox(Sandbox):
    """A sandbox on one clock that only `leap` moves."""

    def _begin(self, saved):
        self.wall = lambda: START
        super()._begin(saved)


class Wire(httpx.BaseTransport):
    """The network between hub and sandbox: `exchange(request, send)` may do anything to a call."""

    def __init__(self, sandbox):
        self._app = httpx.ASGITransport(create_app(sandbox))
        self._loop = asyncio.new_event_loop()
        self.exchange = lambda request, send: send(request)

    def handle_request(self, request):
        return self.exchange(request, self.send)

    def send(self, request):
        return self._loop.run_until_complete(self._send(request))

    async def _send(self, request):
        answer = await self._app.handle_async_request(
            httpx.Request(
                request.method, request.url, headers=request.headers, content=request.read()
            )
        )
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)

    def close(self):
        self._loop.close()


class Table(FakeStateTable):
    """The State table; `called` is asked before each call, and may refuse it."""

    called = staticmethod(lambda: None)

    def get(self, *args):
        self.called()
        return super().get(*args)

    def get_many(self, *args):
        self.called()
        return super().get_many(*args)

    def under(self, *args):
        self.called()
        return super().under(*args)

    def put(self, *args):
        self.called()
        return super().put(*args)

    def put_while(self, *args):
        self.called()
        return super().put_while(*args)


class Secrets:
    """Secrets Manager with one API key."""

    def __init__(self, key):
        self.key, self.version = key, "1"

    def get_secret_value(self, **_):
        return {"SecretString": self.key, "VersionId": self.version}


class Manifests:
    def __init__(self):
        self.kept = {}

    def put(self, key, value):
        self.kept[key] = json.dumps(value)

    def get(self, key):
        return json.loads(self.kept[key]) if key in self.kept else None


class SigningSecrets:
    def __init__(self):
        self.accepted = {}

    def accept(self, consumer, secret):
        known = self.accepted.setdefault(consumer, [])
        new = secret not in known
        if new:
            known.insert(0, secret)
        return new

    def withdraw(self, consumer, fingerprints):
        known = self.accepted.get(consumer, [])
        self.accepted[consumer] = [
            secret for secret in known if fingerprint(secret) not in fingerprints
        ]


class Executions:
    """Executions by name; `queue` holds the started ones that have not run yet."""

    def __init__(self):
        self.queue, self.status, self.resumed = [], {}, set()

    def start(self, name, state):
        if name not in self.status:
            self.status[name] = "RUNNING"
            self.queue.append((name, dict(state)))

    def has_begun(self, name):
        return name in self.status

    def runs(self, name):
        return self.status.get(name) == "RUNNING"

    def is_over(self, name):
        return self.status.get(name, "RUNNING") != "RUNNING"

    def stop(self, name, cause):
        self.status[name] = "ABORTED"

    def resume(self, token):
        self.resumed.add(token)
        return True


class MigrationWorld:
    """`direction` and `step` say where the run is; `steps` counts the function's invocations.

    `aws` is called where AWS may fail: `table` (in the function), `invoke`, `return` (behind what
    the function has done) and `reader` (of a Map), and `room` (where calls are reserved). What it
    raises is the failure.
    """

    def __init__(self, companies=8, seed=0):
        options = Options(companies=companies, old_consumers_url=OLD_URL, minute_limit=0)
        self.sandbox = StillSandbox(options)
        self._two_successors()
        self.wire = Wire(self.sandbox)
        self.http = httpx.Client(transport=self.wire, trust_env=False)
        self.secrets = Secrets(options.api_key)
        self.key = SecretKey(self.secrets, "arn:key", now=self.now)
        self.client = CodatClient(
            Transport(
                self.http,
                self.key,
                base_url="http://localhost",
                now=self.now,
                admit=self._admit,
            )
        )
        self.table = Table()
        self.ledger, self.assignments = MigrationLedger(self.table), AssignmentStore(self.table)
        self.manifests, self.executions = Manifests(), Executions()
        self.signing_secrets = SigningSecrets()
        self.registry = types.SimpleNamespace(products=lambda: self.products)
        self.products = {
            product.identifier: Product(
                product.identifier,
                ProductKind.CUSTOM if product.custom else ProductKind.STANDARD,
                data_types=tuple(product.data_types),
            )
            for product in self.state.products.values()
        }
        self.migrations = OperateMigrations(
            self.ledger,
            self.executions,
            self.signing_secrets,
            self.registry,
            self.assignments,
            consumers=self._consumers,
            now=self.now,
        )
        self.lock = self.migrations.lock
        self.watch = WatchMigrations(self.ledger, self.executions, self.now)
        self.context = self._context(options.client_id)
        self.chance = random.Random(seed)
        self.direction, self.step, self.steps, self.invoked_at = "", "", 0, START
        self.aws, self.in_function = lambda point: None, False
        self.table.called = lambda: self.in_function and self.aws("table")
        self.pauses, self.ends, self.before_step = [], {}, lambda: None
        self.after_step = lambda answer: None
        for company in self.companies:
            for product in PRODUCTS:
                self._consent(company, product)

    def _two_successors(self):
        """Both old consumers have one URL, and each carries types that are no reads."""
        second = list(self.sandbox.office.state.consumers.values())[1]
        second.event_types = ["read.completed", "company.deleted"]

    def _context(self, client_id):
        reads = types.SimpleNamespace(
            get=lambda company_id, product: (ReadState(last_read_at=self.now()), 1)
        )
        return StepContext(
            codat=MigrationCalls(self.client),
            ledger=self.ledger,
            manifests=self.manifests,
            assignments=self.assignments,
            consents=types.SimpleNamespace(newest=self._newest_consent),
            registry=self.registry,
            read_states=reads,
            signing_secrets=self.signing_secrets,
            check_client=ClientBinding(
                self.client, ClientCheckStore(self.table), client_id, now=self.now
            ),
            limits=Limits(wait_scale=1, calls_a_second=5, hub=HubAddress(HUB_URL, "api")),
            now=self.now,
            sleep=self.pass_time,
        )

    # time

    def _consumers(self):
        return self.context.codat.consumers()

    def now(self):
        return self.sandbox.clock.now()

    def _admit(self):
        """Let a call of Codat wait for its place in the budget, as far as the function makes it."""
        if self.in_function:
            self.aws("room")
        self.pass_time(_TICK)

    def pass_time(self, seconds):
        self.sandbox.clock.leap(seconds)
        self.sandbox.tick()

    def time_out(self):
        """Pass the time that the client waits for an answer."""
        self.pass_time(Timeouts().longest)
        self.check_deadline()

    def check_deadline(self):
        if self.in_function and self._remaining() <= 0:
            raise OutOfTime

    def _remaining(self):
        return FUNCTION_SECONDS * 1000 - (self.now() - self.invoked_at) // timedelta(milliseconds=1)

    def rotate_key(self):
        """Replace the API key, at Codat and in Secrets Manager; the hub may have a copy."""
        key = f"key-{self.secrets.version}"
        self.secrets.key, self.secrets.version = key, key
        self.sandbox.options = replace(self.sandbox.options, api_key=key)

    # the client at Codat

    @property
    def state(self):
        return self.sandbox.world.state

    @property
    def companies(self):
        return list(self.state.companies)

    def codat_now(self):
        """Return all that a rollback restores, by what it is, such as `settings ID`."""
        world = self.sandbox.world
        found = {"client settings": client_view(world)}
        for company in self.state.companies.values():
            # Without settings that count Codat shows the client's, which have their own line.
            counts = company.override is not None and company.override.overrides_defaults
            own = company_view(world, company) if counts else None
            found[f"settings {company.id}"] = own
            found[f"products {company.id}"] = sorted(company.products)
        found["consumers"] = sorted(
            [one.url, sorted(one.event_types), sorted(one.company_tags or ()), one.disabled]
            for one in self.consumers()
        )
        return {name: json.dumps(value, sort_keys=True) for name, value in found.items()}

    def consumers(self):
        return list(self.sandbox.office.state.consumers.values())

    def has_schedule(self, company_id):
        """Tell whether client-level settings, or the company's own, read this company."""
        found = effective(self.sandbox.world, self.state.companies[company_id])
        return any(setting.sync_schedule > 0 for setting in found)

    def let_one_appear(self):
        """Create and link a company at Codat, whose customer has agreed; return its id."""
        company = self._portal("/companies", {"name": "Late Ltd"}, self._authorization)["id"]
        self._portal(f"/_sandbox/companies/{company}/link", {"platformKey": "gbol"}, None)
        for product in PRODUCTS:
            self._consent(company, product)
        return company

    @property
    def _authorization(self):
        return {"Authorization": ApiKey(self.sandbox.options.api_key).authorization()}

    def _portal(self, path, body, headers):
        request = httpx.Request("POST", f"http://localhost{path}", json=body, headers=headers)
        answer = self.wire.send(request)
        assert answer.is_success, answer.text
        return answer.json()

    def _consent(self, company, product):
        _, version = self.assignments.get(company, product)
        consent = Consent(
            product, self.now(), "the owner", "v1", self.products[product].data_types, None
        )
        had = product in self.state.companies[company].products
        status = AssignmentStatus.ASSIGNED if had else AssignmentStatus.ABSENT
        self.assignments.put(
            replace(Assignment(company, product, status), consent=consent), version
        )

    def _newest_consent(self, company, product):
        consent = self.assignments.get(company, product)[0].consent
        return consent and types.SimpleNamespace(consent=consent)

    # people

    def operator(self, waiting_for):
        """Do at once what a person is asked for."""
        run = self.run
        match waiting_for:
            case "approval" | "products_kept":
                self.migrations.approve(run.migration_id, OTHER)
            case "webhooks_disabled":
                self._in_portal(disabled=True)
                self.migrations.confirm_webhooks_disabled(run.migration_id)
            case "webhooks_restored":
                self._in_portal(disabled=False)
                self.migrations.confirm_webhooks_restored(run.migration_id)
            case "signing_secret":
                self._confirm_secrets()

    def _in_portal(self, *, disabled):
        instructions = "\n".join(self.run.pause.instructions)
        for consumer in self.consumers():
            if consumer.id in instructions:
                consumer.disabled = disabled

    def _confirm_secrets(self):
        for entry in self.ledger.under(self.run.migration_id, "NEW_CONSUMER#").values():
            if entry.detail and entry.detail["hub_consumer"] and self.run.pause:
                self.migrations.confirm_secret(
                    self.run.migration_id, entry.detail["consumer_id"], SECRET
                )

    # running

    @property
    def run(self):
        return self.ledger.get(self.migration_id)

    def migrate(self, mode="api", **request):
        """Run a migration to its end, with all executions that follow."""
        asked = MigrationRequest(**{"products": PRODUCTS, "mode": Mode(mode), **request})
        self.migration_id = self.migrations.start(asked, OPERATOR).migration_id
        return self._go()

    def roll_back(self, *, forced=False):
        """Ask for the rollback, or for the rest of it, and run it to its end."""
        self.migrations.rollback(self.migration_id, OPERATOR, forced=forced)
        return self._go()

    def resume(self, name, state, definition, begin_at):
        """Go on with an execution in the middle, under the definition that it was started with."""
        self.executions.status[name] = "RUNNING"
        self._execute(name, state, definition, begin_at)
        return self._go()

    def _go(self):
        while self.executions.queue:
            self._execute(*self.executions.queue.pop(0))
        return self.run

    def _execute(self, name, state, definition=DEFINITION, begin_at=None):
        execution = Execution(
            definition,
            invoke=self._invoke,
            read=self._read,
            wait=self.pass_time,
            on_token=self._on_token,
            chance=self.chance,
            stopped=lambda: not self.executions.runs(name),
        )
        try:
            execution.run(state, begin_at)
            end = "SUCCEEDED"
        except Failed as failure:
            end = f"FAILED {failure.error}"
        except Aborted:
            end = "ABORTED"
        self.executions.status[name] = end.split()[0]
        self.ends[name] = end
        if end != "SUCCEEDED":
            self.watch.ended(name)  # as the rule on the execution's status does

    @staticmethod
    def failure(error, cause):
        """Return what ends a task of the state machine."""
        return Failed(error, cause)

    def _read(self, key):
        self.aws("reader")
        return self.manifests.get(key)

    def _on_token(self, waiting_for, token):
        """A person whose answer the hub cannot take yet tries again now and then."""
        self.pauses.append(waiting_for)
        until = self.now() + _PATIENCE
        while self.now() < until:
            try:
                self.operator(waiting_for)
                break
            except CallFailed:
                self.pass_time(_LATER)
        return token in self.executions.resumed

    def _invoke(self, payload):
        """Run the handler; what it raises becomes Lambda's answer."""
        self.direction, self.step = payload["direction"], payload["step"]
        self.steps += 1
        self.invoked_at = self.now()
        self.before_step()
        self.aws("invoke")
        context = types.SimpleNamespace(
            get_remaining_time_in_millis=self._remaining,
            function_name="f",
            memory_limit_in_mb=1,
            invoked_function_arn="a",
            aws_request_id="r",
        )
        self.in_function = True
        ours = {"step_context": self.context, "_count": _nothing}
        try:
            with mock.patch.multiple(run_migration_step, **ours):
                answer = run_migration_step.handler(json.loads(json.dumps(payload)), context)
        except OutOfTime:
            raise Failed("Sandbox.Timedout", "Task timed out") from None
        except Exception as fault:
            cause = {"errorType": type(fault).__name__, "errorMessage": str(fault)}
            raise Failed(type(fault).__name__, json.dumps(cause)) from fault
        finally:
            self.in_function = False
        self.aws("return")
        self.after_step(answer)
        return json.loads(json.dumps(answer))

    def close(self):
        self.http.close()
        self.wire.close()


def _nothing(*_):
    """Count no metrics."""
