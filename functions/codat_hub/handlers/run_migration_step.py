"""Lambda: one step of the migration's state machine -> its result, which decides the next state."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from codat_hub.codat.adapters.api_key import SecretKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.adapters.transport import Transport, new_http
from codat_hub.codat.usecases.client_binding import ClientBinding
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.errors import StepFailed
from codat_hub.migration.adapters.codat_calls import MigrationCalls
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.adapters.manifests import ManifestBucket
from codat_hub.migration.domain.chunk import Chunk, Member
from codat_hub.migration.domain.run import ACCEPTED_CONTRACTS
from codat_hub.migration.usecases.context import Command, Limits, StepContext
from codat_hub.migration.usecases.step_table import run_step
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.rate_limiting.domain.pace import MIGRATION_PER_SECOND
from codat_hub.rate_limiting.usecases import admit_calls
from codat_hub.settings.run_migration_step import RunMigrationStepSettings
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import count, logger, metrics
from codat_hub.webhooks.hub_address import HubAddress
from codat_hub.webhooks.signing_secret_store import ConfirmedSecrets, SigningSecretStore

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4})
_LAST_CALL = 40_000  # milliseconds: enough for a call to Codat and the writes after it

settings = RunMigrationStepSettings.from_env()
_CALLS_A_SECOND = max(1, min(int(settings.codat_calls_a_second), MIGRATION_PER_SECOND))
_dynamodb = boto3.client("dynamodb", config=_AWS)
_table = StateTable(_dynamodb, settings.state_table)
_secrets = boto3.client("secretsmanager", config=_AWS)
_codat = CodatClient(
    Transport(
        new_http(),
        SecretKey(_secrets, settings.codat_api_key_arn),
        base_url=settings.codat_base_url,
        admit=admit_calls.for_migrations(RateLimiterStore(_table), _CALLS_A_SECOND),
    )
)
step_context = StepContext(
    codat=MigrationCalls(_codat),
    ledger=MigrationLedger(_table),
    manifests=ManifestBucket(boto3.client("s3", config=_AWS), settings.manifest_bucket),
    assignments=AssignmentStore(_table),
    consents=ConsentLedger(_dynamodb, settings.consents_table),
    registry=ProductStore(_table),
    read_states=ReadStateStore(_table),
    signing_secrets=ConfirmedSecrets(SigningSecretStore(_secrets, settings.signing_secrets_arn)),
    check_client=ClientBinding(_codat, ClientCheckStore(_table), settings.codat_client_id),
    limits=Limits(
        wait_scale=settings.wait_scale,
        calls_a_second=_CALLS_A_SECOND,
        hub=HubAddress(settings.webhooks_url, settings.webhooks_api_id),
    ),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run one step: the event is a Command with its step and direction, the answer a StepResult."""
    if event.get("contract") not in ACCEPTED_CONTRACTS:
        raise StepFailed(f"contract {event.get('contract')!r} is not one of {ACCEPTED_CONTRACTS}")
    step, direction = event["step"], event["direction"]
    command = Command(
        migration_id=event["migration_id"],
        epoch=int(event["epoch"]),
        chunk=_chunk(event.get("chunk")),
        token=event.get("token"),
        waiting_for=event.get("waiting_for"),
        state=event.get("state"),
        more_time=lambda: context.get_remaining_time_in_millis() > _LAST_CALL,
    )
    logger.append_keys(migration_id=command.migration_id, step=step, direction=direction)
    result = run_step(step_context, step, direction, command)
    _count(step, command)
    logger.info("migration step done", next=result.next)
    return asdict(result)


def _chunk(item: dict[str, Any] | None) -> Chunk | None:
    """Return the chunk of an item of a manifest."""
    if item is None:
        return None
    members = (
        Member(member["company_id"], member["linked"], tuple(member["products"]))
        for member in item["members"]
    )
    return Chunk(item["name"], tuple(members))


def _count(step: str, command: Command) -> None:
    count("migration_steps")
    if step == "incomplete":
        count("migration_rollback_incomplete")
    elif command.waiting_for:
        count("migration_waiting")
