"""Lambda: every minute -> tickets that are due go on the queue, those past their deadline end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from codat_hub.products.adapters.product_store import ProductRegistry
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimits
from codat_hub.rate_limiting.adapters.rate_limiter_store import Gates
from codat_hub.refresh.adapters.dispatch_store import Dispatches
from codat_hub.refresh.adapters.refresh_queue import RefreshQueue
from codat_hub.refresh.adapters.ticket_store import Tickets
from codat_hub.refresh.usecases.dispatch_refreshes import DispatchRefreshes
from codat_hub.settings.dispatch_refreshes import DispatchRefreshesSettings
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS: Final = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})

settings = DispatchRefreshesSettings.from_env()
_table = StateTable(boto3.client("dynamodb", config=_AWS), settings.state_table)
dispatch = DispatchRefreshes(
    tickets=Tickets(_table),
    gates=Gates(_table),
    rate_limits=RateLimits(_table),
    registry=ProductRegistry(_table, max_age=1.0),
    dispatches=Dispatches(_table),
    queue=RefreshQueue(boto3.client("sqs", config=_AWS), settings.refresh_queue_url),
    now=lambda: datetime.now(UTC),
)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Anything in, how many were sent out."""
    done = dispatch()
    metrics.add_metric("refresh_sent", MetricUnit.Count, done.sent)
    metrics.add_metric("refresh_barred", MetricUnit.Count, int(done.barred))
    for status, count in done.closed.items():
        metrics.add_metric(f"refresh_{status}", MetricUnit.Count, count)
    if done.sent or done.closed:
        logger.info("refreshes dispatched", sent=done.sent, closed=dict(done.closed))
    return {"sent": done.sent}
