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
from codat_hub.migration.adapters.executions import MigrationExecutions
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.usecases.lock import MigrationLock
from codat_hub.migration.usecases.operate import OperateMigrations
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness
from codat_hub.product_events.usecases.replay_webhooks import StartReplay
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.adapters.schedules import Planner, RefreshSchedules
from codat_hub.products.usecases.registry import Registry
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.usecases.reconcile import BeginReconcile, ShowReconciles, StartReconcile
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

# A person waits, and API Gateway for 29 s at most: several calls must fit.
_AWS = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})
_CODAT = Timeouts(connect=2, read=6, total=7)


def _hub(settings: ControlApiSettings) -> Hub:
    dynamodb = boto3.client("dynamodb", config=_AWS)
    table = StateTable(dynamodb, settings.state_table)
    key = SecretKey(
        boto3.client("secretsmanager", config=_AWS),
        settings.codat_api_key_arn,
    )
    transport = Transport(new_http(), key, base_url=settings.codat_base_url, timeouts=_CODAT)
    client = CodatClient(transport)
    codat = CodatCompanies(client)
    check_client = ClientBinding(client, ClientCheckStore(table), settings.codat_client_id)
    products, assignments, directory = (
        ProductStore(table),
        AssignmentStore(table),
        CompanyStore(table),
    )
    ledger = ConsentLedger(dynamodb, settings.consents_table)
    planner = Planner(
        settings.planner_arn, settings.scheduler_role_arn, settings.schedule_failures_arn
    )
    schedules = RefreshSchedules(
        boto3.client("scheduler", config=_AWS), settings.schedule_group, planner
    )
    migration_ledger = MigrationLedger(table)
    executions = MigrationExecutions(
        boto3.client("stepfunctions", config=_AWS), settings.migration_state_machine_arn
    )
    migrations = OperateMigrations(
        ledger=migration_ledger,
        executions=executions,
        signing_secrets=ConfirmedSecrets(
            SigningSecretStore(
                boto3.client("secretsmanager", config=_AWS), settings.signing_secrets_arn
            )
        ),
        registry=products,
        needs_another=settings.migration_approver == "another",
    )
    sqs = boto3.client("sqs", config=_AWS)
    tickets = TicketStore(table)
    refresh_now = RefreshNow(
        tickets=tickets,
        assignments=assignments,
        companies=directory,
        registry=ProductStore(table, max_age=1.0),
        queue=RefreshQueue(sqs, settings.refresh_queue_url),
        plan_now=PlannerFunction(boto3.client("lambda", config=_AWS), settings.planner_arn),
        now=lambda: datetime.now(UTC),
    )
    context = AssignmentContext(
        codat,
        assignments,
        ledger,
        products,
        check_client,
        MigrationLock(migration_ledger, executions),
        CancelRefresh(tickets),
    )
    assign = AssignProduct(context)
    consents = RecordConsents(context, directory)
    create = CreateCompany(
        context,
        creations=CreationStore(table),
        directory=directory,
        consents=consents,
        assign=assign,
        send_products=settings.send_products_on_create,
    )
    runs, replays = ReconcileRunStore(table), ReplayStore(table)
    return Hub(
        registry=Registry(products, schedules, assignments.count),
        companies=CompanyQueries(directory, assignments, ReadStateStore(table), SHARDS),
        create_company=create,
        assign_product=assign,
        remove_product=RemoveProduct(context),
        consents=consents,
        migrations=migrations,
        freshness=MeasureFreshness(directory, assignments, ReadStateStore(table), products, SHARDS),
        start_reconcile=StartReconcile(
            BeginReconcile(runs), IdQueue(sqs, settings.reconcile_queue_url, "reconcile_id")
        ),
        reconciles=ShowReconciles(runs),
        start_replay=StartReplay(replays, IdQueue(sqs, settings.replay_queue_url)),
        replays=replays,
        status=ShowStatus(
            environment=settings.environment,
            bound_to=settings.codat_client_id,
            checks=ClientCheckStore(table),
            runs=runs,
            registry=products,
            rate_limits=RateLimitNoticeStore(table),
        ),
        refresh_now=refresh_now,
    )


hub = _hub(ControlApiSettings.from_env())


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """API Gateway proxy event in, proxy answer out."""
    request = event.get("requestContext") or {}
    caller = (request.get("identity") or {}).get("userArn")
    logger.append_keys(api_request_id=request.get("requestId"), caller=caller)
    return answer(hub, event, context)
