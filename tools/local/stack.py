"""The whole local stack: build, emulator, sandbox, deployment, and the connections between them."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypedDict

import httpx

from codat_hub.webhooks.signing_secret_store import MalformedSecret, SigningSecretStore
from tools.build import SOURCES, BuildError, build, fingerprint_of
from tools.cli.api import connected
from tools.cli.failures import Failure
from tools.local.codat import is_healthy, subscribe
from tools.local.emulator import REGION, Emulator
from tools.local.filling import fill
from tools.local.processes import Process, StepFailed
from tools.samconfig import ROOT

DEFAULT_STATE: Final = ROOT / ".local"
# A consumer for curl, demos and tests. The sandbox does not know it, so the sandbox sends nothing
# to it and rotates no secret of it.
PLAYGROUND: Final = "playground"
EVENTS_OF_ALL_TEAMS: Final = (
    "read.completed",
    "company.created",
    "company.deleted",
    "company.product.added",
    "company.product.removed",
    "connection.created",
    "connection.connected",
    "connection.failed",
    "connection.disconnected",
    "connection.reconnected",
    "connection.deleted",
    "client.rateLimit.reached",
    "client.rateLimit.reset",
)
_PRODUCTS: Final = ROOT / "products.yaml"
_SANDBOX_START_SECONDS: Final = 30.0


class Description(TypedDict):
    """.local/stack.json: a contract with scripts and tests, described in docs/local-stack.md."""

    endpoint_url: str
    region: str
    api_url: str
    webhook_url: str
    webhook_secret: str
    sandbox_url: str
    codat_api_key: str
    custom_products: list[str]
    inbox_table: str
    state_table: str
    consents_table: str
    schedule_group: str
    control_api_reader: str
    control_api_operator: str
    control_api_logs: str
    migration_state_machine_arn: str
    migration_logs: str
    event_bus: str
    signing_secrets_arn: str
    codat_api_key_arn: str
    receive_webhook_logs: str
    project_reads_logs: str
    project_reads_given_up: str
    refresh_queue_url: str
    refresh_dlq_url: str
    refresh_product_logs: str
    plan_refreshes: str
    dispatch_refreshes: str
    replay_queue: str
    replay_webhooks_logs: str
    reconcile_queue: str
    reconcile_logs: str


class Reporter(Protocol):
    """Shows a person the progress of the steps."""

    def step(self, name: str) -> Any: ...
    def detail(self, text: str) -> None: ...


@dataclass(frozen=True)
class Options:
    """Options of a local stack. Port 0 is any free port.

    `retry_scale` multiplies Codat's webhook retry delays; `sandbox` holds more options of the
    sandbox's command line, by name.
    """

    aws_port: int = 0
    sandbox_port: int = 0
    retry_scale: float = 0.01
    companies: int = 20
    sandbox: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_env(cls) -> "Options":
        """Read LOCAL_AWS_PORT and SANDBOX_PORT. Raises StepFailed."""
        return cls(_port("LOCAL_AWS_PORT"), _port("SANDBOX_PORT"))


class LocalStack:
    """A stack with all its files below one state folder; stacks of two folders are independent."""

    def __init__(self, state: Path, reporter: Reporter, options: Options | None = None) -> None:
        self.state = state
        self.emulator = Emulator(state, (options or Options()).aws_port)
        self.sandbox = Process("sandbox", state, "tools.sandbox")
        self._options = options or Options()
        self._reporter = reporter

    @property
    def description(self) -> Path:
        return self.state / "stack.json"

    @property
    def described(self) -> Description:
        """Return the content of stack.json."""
        described: Description = json.loads(self.description.read_text())
        return described

    @property
    def _processes(self) -> tuple[Process, Process]:
        return self.sandbox, self.emulator.process

    def up(self) -> Description:
        """Start the parts that do not run yet; return the content of stack.json.

        Raises StepFailed after it stops everything that this call started.
        """
        (self.state / "logs").mkdir(parents=True, exist_ok=True)
        before = {process: process.pid() for process in self._processes}
        try:
            self._step("build", self._build)
            self._step("emulator", self.emulator.start)
            codat = self._step("sandbox", self._start_sandbox)
            outputs = self._step("deploy", lambda: self._deploy(codat))
            stack = self._step("connect", lambda: self._connect(outputs, codat))
            self._step("fill", lambda: self._fill(stack))
        except BaseException:
            for process, pid in before.items():
                if process.pid() != pid:
                    process.stop()
                    self.description.unlink(missing_ok=True)
            raise
        self.description.touch(mode=0o600)  # it holds a signing secret
        self.description.write_text(json.dumps(stack, indent=2) + "\n")
        return stack

    def down(self) -> list[str]:
        """Stop everything; return the names of the processes that were running."""
        self.description.unlink(missing_ok=True)
        stopped = [process.name for process in self._processes if process.stop()]
        self.emulator.stop()
        return stopped

    def _step[Result](self, name: str, act: Callable[[], Result]) -> Result:
        with self._reporter.step(name):
            try:
                return act()
            except (httpx.HTTPError, OSError) as error:
                log = {"sandbox": self.sandbox.log}.get(name, self.emulator.process.log)
                raise StepFailed(f"{type(error).__name__}: {error}", log) from error

    def _log(self, name: str) -> Path:
        return self.state / "logs" / f"{name}.log"

    def _build(self) -> None:
        try:
            built = build("local", self._log("build"))
        except BuildError as error:
            raise StepFailed(str(error), self._log("build")) from None
        if not built:
            self._reporter.detail("unchanged")

    def _deploy(self, codat: dict[str, Any]) -> dict[str, str]:
        """Deploy unless this emulator has this build already."""
        bound_to = {"CodatBaseUrl": codat["url"], "CodatClientId": codat["client_id"]}
        bound_to["LocalEndpoint"] = self.emulator.url
        stamp = self.state / "deployed"
        fingerprint = f"{self.emulator.process.pid()} {fingerprint_of(*SOURCES)} {bound_to}"
        if stamp.exists() and stamp.read_text() == fingerprint:
            self._reporter.detail("unchanged")
            return self.emulator.outputs()
        stamp.unlink(missing_ok=True)
        outputs = self.emulator.deploy(self._log("deploy"), overrides=bound_to)
        # The emulator silently ignores the template's TTL.
        for table in ("InboxTable", "StateTable"):
            self.emulator.client("dynamodb").update_time_to_live(
                TableName=outputs[table],
                TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
            )
        stamp.write_text(fingerprint)
        return outputs

    def _start_sandbox(self) -> dict[str, Any]:
        """Start the sandbox unless it runs; return its own description."""
        ready = self.state / "sandbox.json"
        code = fingerprint_of("tools/sandbox")
        if self.sandbox.pid() is not None and ready.exists():
            codat: dict[str, Any] = json.loads(ready.read_text())
            at_port = self._options.sandbox_port in {0, httpx.URL(codat["url"]).port}
            if codat.pop("code", None) == code and at_port and is_healthy(codat):
                self._reporter.detail("already running")
                return codat
            self._reporter.detail("restarted")
        self.sandbox.stop()
        command = [sys.executable, "-m", "tools.sandbox"]
        command += ["--port", str(self._options.sandbox_port)]
        command += ["--retry-scale", str(self._options.retry_scale)]
        command += ["--companies", str(self._options.companies)]
        for name, value in self._options.sandbox.items():
            command += [f"--{name}", value]
        self.sandbox.start(command, {"PATH": os.environ["PATH"]}, ROOT)
        started = self.sandbox.wait_until(self._sandbox_ready, _SANDBOX_START_SECONDS)
        ready.write_text(json.dumps(started | {"code": code}))
        return started

    def _sandbox_ready(self) -> dict[str, Any] | None:
        """Return the JSON line that the sandbox prints when it is ready."""
        for line in self.sandbox.log.read_text().splitlines():
            if line.startswith('{"url"'):
                codat: dict[str, Any] = json.loads(line)
                return codat
        return None

    def _connect(self, outputs: dict[str, str], codat: dict[str, Any]) -> Description:
        """Subscribe the hub at the sandbox, store the secrets, and describe the stack."""
        apis = f"{self.emulator.url}/_aws/execute-api"
        webhooks_url = f"{apis}/{outputs['WebhooksApiId']}/local/webhooks/codat"
        accepted = subscribe(codat, webhooks_url, self._subscriptions(codat))
        accepted[PLAYGROUND] = [self._playground_secret()]
        manager = self.emulator.client("secretsmanager")
        try:
            SigningSecretStore(manager, outputs["SigningSecretsArn"]).set(accepted)
        except MalformedSecret as error:
            raise StepFailed(str(error)) from None
        manager.put_secret_value(SecretId=outputs["CodatApiKeyArn"], SecretString=codat["api_key"])
        self._probe(f"{webhooks_url}/{PLAYGROUND}", outputs["ReceiveWebhookLogs"])
        return {
            "endpoint_url": self.emulator.url,
            "region": REGION,
            "api_url": f"{apis}/{outputs['ControlApiId']}/local",
            "webhook_url": f"{webhooks_url}/{PLAYGROUND}",
            "webhook_secret": accepted[PLAYGROUND][0],
            "sandbox_url": codat["url"],
            "codat_api_key": codat["api_key"],
            "custom_products": codat["custom_products"],
            "inbox_table": outputs["InboxTable"],
            "state_table": outputs["StateTable"],
            "consents_table": outputs["ConsentsTable"],
            "schedule_group": outputs["ScheduleGroup"],
            "control_api_reader": outputs["ControlApiReader"],
            "control_api_operator": outputs["ControlApiOperator"],
            "control_api_logs": outputs["ControlApiFunctionLogs"],
            "migration_state_machine_arn": outputs["MigrationStateMachineArn"],
            "migration_logs": outputs["RunMigrationStepLogs"],
            "event_bus": outputs["ProductBus"],
            "signing_secrets_arn": outputs["SigningSecretsArn"],
            "codat_api_key_arn": outputs["CodatApiKeyArn"],
            "receive_webhook_logs": outputs["ReceiveWebhookLogs"],
            "project_reads_logs": outputs["ProjectReadsLogs"],
            "project_reads_given_up": outputs["ProjectReadsGivenUp"],
            "refresh_queue_url": outputs["RefreshQueueUrl"],
            "refresh_dlq_url": outputs["RefreshDlqUrl"],
            "refresh_product_logs": outputs["RefreshProductLogs"],
            "plan_refreshes": outputs["PlanRefreshesFunction"],
            "dispatch_refreshes": outputs["DispatchRefreshesFunction"],
            "replay_queue": outputs["ReplayQueue"],
            "replay_webhooks_logs": outputs["ReplayWebhooksLogs"],
            "reconcile_queue": outputs["ReconcileQueue"],
            "reconcile_logs": outputs["ReconcileLogs"],
        }

    def _subscriptions(self, codat: dict[str, Any]) -> dict[str, list[str]]:
        """Return the event types of each consumer that the hub has at the sandbox."""
        of_products = {name: [f"{name}.read.completed"] for name in codat["custom_products"]}
        return of_products | {"platform": list(EVENTS_OF_ALL_TEAMS)}

    def _fill(self, stack: Description) -> None:
        """Fill the hub once for each products file, so that later changes by people stay."""
        stamp = self.state / "filled"
        products = fingerprint_of(_PRODUCTS.name)
        fingerprint = f"{self.emulator.process.pid()} {self.sandbox.pid()} {products}"
        if stamp.exists() and stamp.read_text() == fingerprint:
            self._reporter.detail("unchanged")
            return
        stamp.unlink(missing_ok=True)
        credentials = self.emulator.credentials()
        try:
            with connected(stack["api_url"], credentials, REGION, "the local root") as api:
                fill(api, _PRODUCTS, self._reporter.detail)
        except Failure as failure:
            errors = [f"{error.field}: {error.message}" for error in failure.errors]
            raise StepFailed("; ".join([str(failure), *errors])) from None
        stamp.write_text(fingerprint)

    def _probe(self, webhook_url: str, log_group: str) -> None:
        """Prove that the webhook function runs: it must refuse an unsigned webhook."""
        status = httpx.post(webhook_url, content=b"{}", timeout=30).status_code
        if status != 401:
            log, functions = self._log("receive_webhook"), self.emulator.client("lambda")
            # a failure before the handler runs is only in the answer, not in the log group
            answer = functions.invoke(FunctionName=log_group.rpartition("/")[2], Payload=b"{}")
            log.write_text(json.dumps(json.load(answer["Payload"]), indent=2).replace("\\n", "\n"))
            raise StepFailed(
                f"receive_webhook answered an unsigned webhook with {status} instead of 401", log
            )

    def _playground_secret(self) -> str:
        kept = self.state / "playground.secret"
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}")
        return kept.read_text()


def _port(variable: str) -> int:
    raw = os.environ.get(variable) or "0"
    if not raw.isdecimal() or not 0 <= int(raw) < 65536:
        raise StepFailed(f"{variable}={raw!r} is not a port. Allowed: 0 (any free port) to 65535")
    return int(raw)
