"""Lambda: the control API -> State and Consents tables, Codat, refresh schedules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from codat_hub.api.app import answer
from codat_hub.api.hub import Hub
from codat_hub.api.queries.companies import CompanyQueries
from codat_hub.api.queries.status import ShowStatus
from codat_hub.codat.adapters.api_key import SecretKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.adapters.transport import Timeouts, Transport, new_http
from codat_hub.codat.usecases.client_binding import ClientBinding
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.codat_companies import CodatCompanies
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.companies.adapters.creation_store import CreationStore
from codat_hub.companies.usecases.assign_product import AssignProduct
from codat_hub.companies.usecases.assignment_context import AssignmentContext
from codat_hub.companies.usecases.consents import RecordConsents
from codat_hub.companies.usecases.create_company import CreateCompany
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.migration.adapters.codat_calls import MigrationCalls
from codat_hub.migration.adapters.executions import MigrationExecutions
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.usecases.lock import MigrationLock
from codat_hub.migration.usecases.operate import OperateMigrations
from codat_hub.product_events.adapters.bus_tails import BusTails
from codat_hub.product_events.adapters.event_archive import EventArchive
from codat_hub.product_events.adapters.full_load_store import FullLoadStore
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness
from codat_hub.product_events.usecases.owe_full_load import OweFullLoad
from codat_hub.product_events.usecases.replay_webhooks import StartReplay
from codat_hub.product_events.usecases.resend_events import ResendEvents
from codat_hub.product_events.usecases.tail_events import TailEvents
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.adapters.schedules import Planner, RefreshSchedules
from codat_hub.products.usecases.registry import Registry
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.rate_limiting.usecases import admit_calls
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.usecases.show_reconciles import ShowReconciles
from codat_hub.reconcile.usecases.start_reconcile import BeginReconcile, StartReconcile
from codat_hub.refresh.adapters.planner import PlannerFunction
from codat_hub.refresh.adapters.refresh_queue import RefreshQueue
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from codat_hub.refresh.usecases.refresh_now import RefreshNow
from codat_hub.settings.control_api import ControlApiSettings
from codat_hub.storage.id_queue import IdQueue
from codat_hub.storage.items import SHARDS
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import logger, metrics
from codat_hub.webhooks.signing_secret_store import ConfirmedSecrets, SigningSecretStore

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# A person waits, and API Gateway waits 29 s at most: several calls must fit.
_AWS = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})
_CODAT = Timeouts(connect=2, read=6, total=7)


class _Shared:
    """The clients and stores that more than one feature uses."""

    def __init__(self, settings: ControlApiSettings) -> None:
        self.settings = settings
        self.secrets = boto3.client("secretsmanager", config=_AWS)
        self.sqs = boto3.client("sqs", config=_AWS)
        self.events = boto3.client("events", config=_AWS)
        dynamodb = boto3.client("dynamodb", config=_AWS)
        self.table = StateTable(dynamodb, settings.state_table)
        self.consents = ConsentLedger(dynamodb, settings.consents_table)
        self.products = ProductStore(self.table)
        self.companies = CompanyStore(self.table)
        self.assignments = AssignmentStore(self.table)
        self.read_states = ReadStateStore(self.table)
        self.tickets = TicketStore(self.table)
        self.reconciles = ReconcileRunStore(self.table)
        self.migrations = MigrationLedger(self.table)
        self.executions = MigrationExecutions(
            boto3.client("stepfunctions", config=_AWS), settings.migration_state_machine_arn
        )
        self.client_checks = ClientCheckStore(self.table)
        key = SecretKey(self.secrets, settings.codat_api_key_arn)
        client = self.codat_client = CodatClient(
            Transport(
                new_http(),
                key,
                base_url=settings.codat_base_url,
                timeouts=_CODAT,
                admit=admit_calls.for_commands(RateLimiterStore(self.table)),
            )
        )
        self.codat = CodatCompanies(client)
        self.check_client = ClientBinding(client, self.client_checks, settings.codat_client_id)


def _hub(settings: ControlApiSettings) -> Hub:
    """Compose the use cases, feature by feature."""
    shared = _Shared(settings)
    context = _assignment_context(shared)
    assign = AssignProduct(context)
    consents = RecordConsents(context, shared.companies)
    replays = ReplayStore(shared.table)
    return Hub(
        registry=_registry(shared),
        companies=CompanyQueries(shared.companies, shared.assignments, shared.read_states, SHARDS),
        create_company=_create_company(shared, context, consents, assign),
        assign_product=assign,
        remove_product=RemoveProduct(context),
        consents=consents,
        freshness=MeasureFreshness(
            shared.companies, shared.assignments, shared.read_states, shared.products, SHARDS
        ),
        start_replay=StartReplay(replays, IdQueue(shared.sqs, settings.replay_queue_url)),
        replays=replays,
        resends=_resends(shared),
        tails=TailEvents(
            BusTails(shared.events, shared.sqs, settings.product_bus_arn),
            IdQueue(shared.sqs, settings.replay_queue_url),
        ),
        owe_full_load=OweFullLoad(
            shared.companies, shared.assignments, shared.products, FullLoadStore(shared.table)
        ),
        refresh_now=_refresh_now(shared),
        start_reconcile=_start_reconcile(shared),
        reconciles=ShowReconciles(shared.reconciles),
        migrations=_migrations(shared),
        status=_status(shared),
    )


def _registry(shared: _Shared) -> Registry:
    settings = shared.settings
    planner = Planner(
        settings.planner_arn, settings.scheduler_role_arn, settings.schedule_failures_arn
    )
    scheduler = boto3.client("scheduler", config=_AWS)
    schedules = RefreshSchedules(scheduler, settings.schedule_group, planner)
    return Registry(shared.products, schedules, shared.assignments.count)


def _assignment_context(shared: _Shared) -> AssignmentContext:
    return AssignmentContext(
        shared.codat,
        shared.assignments,
        shared.consents,
        shared.products,
        shared.check_client,
        MigrationLock(shared.migrations, shared.executions),
        CancelRefresh(shared.tickets),
    )


def _create_company(
    shared: _Shared, context: AssignmentContext, consents: RecordConsents, assign: AssignProduct
) -> CreateCompany:
    return CreateCompany(
        context,
        creations=CreationStore(shared.table),
        directory=shared.companies,
        consents=consents,
        assign=assign,
        send_products=shared.settings.send_products_on_create,
    )


def _resends(shared: _Shared) -> ResendEvents:
    settings = shared.settings
    archive = EventArchive(
        shared.events,
        settings.product_bus_arn,
        settings.product_archive_arn,
        exists=settings.event_archive_days > 0,
    )
    return ResendEvents(archive)


def _refresh_now(shared: _Shared) -> RefreshNow:
    settings = shared.settings
    return RefreshNow(
        tickets=shared.tickets,
        assignments=shared.assignments,
        companies=shared.companies,
        registry=ProductStore(shared.table, max_age=1.0),
        queue=RefreshQueue(shared.sqs, settings.refresh_queue_url),
        plan_now=PlannerFunction(boto3.client("lambda", config=_AWS), settings.planner_arn),
        now=lambda: datetime.now(UTC),
    )


def _start_reconcile(shared: _Shared) -> StartReconcile:
    queue = IdQueue(shared.sqs, shared.settings.reconcile_queue_url, "reconcile_id")
    return StartReconcile(BeginReconcile(shared.reconciles), queue)


def _migrations(shared: _Shared) -> OperateMigrations:
    secrets = SigningSecretStore(shared.secrets, shared.settings.signing_secrets_arn)
    return OperateMigrations(
        ledger=shared.migrations,
        executions=shared.executions,
        signing_secrets=ConfirmedSecrets(secrets),
        registry=shared.products,
        assignments=shared.assignments,
        consumers=MigrationCalls(shared.codat_client).consumers,
        needs_another=shared.settings.migration_approver == "another",
    )


def _status(shared: _Shared) -> ShowStatus:
    return ShowStatus(
        environment=shared.settings.environment,
        bound_to=shared.settings.codat_client_id,
        last_check=shared.client_checks.last,
        runs=shared.reconciles,
        registry=shared.products,
        rate_limits=RateLimitNoticeStore(shared.table),
        limiters=RateLimiterStore(shared.table),
    )


hub = _hub(ControlApiSettings.from_env())


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take an API Gateway proxy event; return the proxy response."""
    request = event.get("requestContext") or {}
    caller = (request.get("identity") or {}).get("userArn")
    logger.append_keys(api_request_id=request.get("requestId"), caller=caller)
    return answer(hub, event, context)
