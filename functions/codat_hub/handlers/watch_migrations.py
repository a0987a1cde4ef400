"""Lambda: an execution's end, or the hour -> a rollback that must not be missing, a reminder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from codat_hub.migration.adapters.executions import Executions
from codat_hub.migration.adapters.ledger import Migrations as Ledger
from codat_hub.migration.usecases.operate import Migrations
from codat_hub.migration.usecases.watch import WatchMigrations
from codat_hub.products.adapters.product_store import ProductRegistry
from codat_hub.settings.watch_migrations import WatchMigrationsSettings
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4})


class _NoSecrets:
    def accept(self, consumer: str, secret: str) -> bool:
        raise NotImplementedError(f"nobody confirms a secret of {consumer} here")


settings = WatchMigrationsSettings.from_env()
_table = StateTable(boto3.client("dynamodb", config=_AWS), settings.state_table)
watch = WatchMigrations(
    Migrations(
        ledger=Ledger(_table),
        executions=Executions(
            boto3.client("stepfunctions", config=_AWS), settings.migration_state_machine_arn
        ),
        signing_secrets=_NoSecrets(),
        registry=ProductRegistry(_table),
    )
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """In: EventBridge's execution status change, or its hourly rule."""
    if event.get("source") == "aws.states":
        done = watch.ended(event["detail"]["name"])
    else:
        waiting, done = watch.look()
        for one in waiting:
            logger.warning(
                "migration waits",
                migration_id=one.migration_id,
                waiting_for=one.waiting_for.value,
                hours=round(one.hours, 1),
            )
            metrics.add_metric("migration_waiting_hours", MetricUnit.NoUnit, one.hours)
    metrics.add_metric("migrations_watched", MetricUnit.Count, 1)
    if done == "incomplete":
        metrics.add_metric("migration_rollback_incomplete", MetricUnit.Count, 1)
    logger.info("migrations watched", done=done)
