"""Lambda: a reconcile's id, or the nightly schedule, from the queue -> one run, step by step."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from codat_hub.codat.adapters.api_key import SecretKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.adapters.transport import Transport, new_http
from codat_hub.codat.usecases.client_binding import ClientBinding
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.codat_companies import CodatCompanies
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.companies.usecases.assignment_context import AssignmentContext
from codat_hub.companies.usecases.remove_product import RemoveProduct
from codat_hub.errors import Unavailable
from codat_hub.migration.adapters.executions import MigrationExecutions
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.usecases.lock import MigrationLock
from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.rate_limiting.usecases import admit_calls
from codat_hub.reconcile.adapters.codat_observer import Observer
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.reconcile_run import Phase, ReconcileRun, ReconcileStatus
from codat_hub.reconcile.usecases.reconcile import Reconcile
from codat_hub.reconcile.usecases.reconcile_account import CheckAccount
from codat_hub.reconcile.usecases.reconcile_companies import CheckCompanies
from codat_hub.reconcile.usecases.reconcile_directory import CheckDirectory
from codat_hub.reconcile.usecases.start_reconcile import BeginReconcile, a_new_id
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from codat_hub.settings.reconcile import ReconcileSettings
from codat_hub.storage.items import SHARDS
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import count, count_by, logger, metrics
from codat_hub.webhooks.hub_address import HubAddress
from codat_hub.webhooks.signing_secret_cache import ConsumerNames

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})
# Milliseconds, more than a step takes: a page of 100 companies with a call for each at one call a
# second, and one call that lasts as long as the client allows.
_FOR_A_STEP: Final = 130_000
_AFTER_THE_TIMEOUT: Final = timedelta(seconds=5)
SCHEDULE: Final = "schedule"


def _count_done(run: ReconcileRun) -> None:
    """Count a run that is over, and each kind of its drift under a dimension of its own."""
    count(f"reconcile_{run.status}")
    count("reconcile_unsafe", run.unsafe)
    count("reconcile_codat_calls", run.counts.get("codat_calls", 0))
    if run.status is ReconcileStatus.COMPLETE and run.started_at and run.finished_at:
        took = (run.finished_at - run.started_at).total_seconds()
        metrics.add_metric("reconcile_duration", MetricUnit.Seconds, took)
    for kind, found in sorted(run.drift.items()):
        count_by("drift", found, kind=kind)


def _blocked_until() -> datetime | None:
    notice, _ = _rate_limits.get()
    return None if notice is None else notice.reached_until


settings = ReconcileSettings.from_env()
_secrets = boto3.client("secretsmanager", config=_AWS)
_dynamodb = boto3.client("dynamodb", config=_AWS)
_table = StateTable(_dynamodb, settings.state_table)
_consents = ConsentLedger(_dynamodb, settings.consents_table)
_companies, _assignments = CompanyStore(_table), AssignmentStore(_table)
_registry, _runs = ProductStore(_table), ReconcileRunStore(_table)
_rate_limits = RateLimitNoticeStore(_table)
_client = CodatClient(
    Transport(
        new_http(),
        SecretKey(_secrets, settings.codat_api_key_arn),
        base_url=settings.codat_base_url,
        admit=admit_calls.for_reconciles(RateLimiterStore(_table)),
    )
)
_codat = Observer(_client)
_binding = ClientBinding(_client, ClientCheckStore(_table), settings.codat_client_id)
_context = AssignmentContext(
    CodatCompanies(_client),
    _assignments,
    _consents,
    _registry,
    _binding,
    MigrationLock(
        MigrationLedger(_table),
        MigrationExecutions(
            boto3.client("stepfunctions", config=_AWS), settings.migration_state_machine_arn
        ),
    ),
    CancelRefresh(TicketStore(_table)),
)
begin = BeginReconcile(_runs)
reconcile = Reconcile(
    _runs,
    {
        Phase.ACCOUNT: CheckAccount(
            _codat,
            _binding.confirm,
            _registry,
            ConsumerNames(_secrets, settings.signing_secrets_arn).names,
            _runs,
            HubAddress(settings.webhooks_url, settings.webhooks_api_id),
            ParkingStore(_table).expiring,
        ),
        Phase.COMPANIES: CheckCompanies(
            _codat, _companies, _assignments, _consents, _registry, RemoveProduct(_context)
        ),
        Phase.DIRECTORY: CheckDirectory(
            _codat, _companies, _assignments, ReadStateStore(_table), _registry, _runs, SHARDS
        ),
    },
    blocked_until=_blocked_until,
    done=_count_done,
)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take an SQS batch; return the messages of the runs that are not over, to come again."""
    unfinished = [record["messageId"] for record in event["Records"] if not _go_on(record, context)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in unfinished]}


def _go_on(record: dict[str, Any], context: LambdaContext) -> bool:
    count("reconcile_receives")
    try:
        reconcile_id = _reconcile_id(record)
        lease = timedelta(milliseconds=context.get_remaining_time_in_millis()) + _AFTER_THE_TIMEOUT
        return reconcile(reconcile_id, partial(_has_time, context), lease)
    except Unavailable as fault:
        logger.error("reconcile interrupted", cause=str(fault))
        return False


def _reconcile_id(record: dict[str, Any]) -> str:
    """Return the id of the message's run. A message of the schedule begins a run if it is new.

    The run's id comes from the message, so the same message never begins a second run.
    """
    body = json.loads(record["body"])
    if "reconcile_id" in body:
        return str(body["reconcile_id"])
    sent_at = datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC)
    own_id = a_new_id(sent_at, record["messageId"])
    return begin(SCHEDULE, own_id).reconcile_id


def _has_time(context: LambdaContext) -> bool:
    return context.get_remaining_time_in_millis() > _FOR_A_STEP
