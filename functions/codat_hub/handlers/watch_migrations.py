"""Lambda: an execution's end, or the hour -> the rollback of a dead run, or a reminder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from codat_hub.migration.adapters.executions import MigrationExecutions
from codat_hub.migration.adapters.ledger import MigrationLedger
from codat_hub.migration.usecases.watch import WatchMigrations
from codat_hub.settings.watch_migrations import WatchMigrationsSettings
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import count, logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4})


settings = WatchMigrationsSettings.from_env()
watch = WatchMigrations(
    MigrationLedger(StateTable(boto3.client("dynamodb", config=_AWS), settings.state_table)),
    MigrationExecutions(
        boto3.client("stepfunctions", config=_AWS), settings.migration_state_machine_arn
    ),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle EventBridge's execution status change, or its hourly rule."""
    if event.get("source") == "aws.states":
        action = watch.ended(event["detail"]["name"])
    else:
        waits, action = watch.look()
        for wait in waits:
            logger.warning(
                "migration waits",
                migration_id=wait.migration_id,
                waiting_for=wait.waiting_for.value,
                hours=round(wait.hours, 1),
            )
            metrics.add_metric("migration_waiting_hours", MetricUnit.NoUnit, wait.hours)
    count("migrations_watched")
    if action == "incomplete":
        count("migration_rollback_incomplete")
    logger.info("migrations watched", done=action)
