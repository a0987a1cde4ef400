"""Lambda: every minute -> due tickets go on the queue, tickets past their deadline are closed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.refresh.adapters.dispatch_store import DispatchStore
from codat_hub.refresh.adapters.refresh_queue import RefreshQueue
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.usecases.dispatch_refreshes import DispatchRefreshes
from codat_hub.settings.dispatch_refreshes import DispatchRefreshesSettings
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import count, logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS: Final = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})

settings = DispatchRefreshesSettings.from_env()
_table = StateTable(boto3.client("dynamodb", config=_AWS), settings.state_table)
dispatch = DispatchRefreshes(
    tickets=TicketStore(_table),
    limiters=RateLimiterStore(_table),
    notices=RateLimitNoticeStore(_table),
    registry=ProductStore(_table, max_age=1.0),
    memories=DispatchStore(_table),
    queue=RefreshQueue(boto3.client("sqs", config=_AWS), settings.refresh_queue_url),
    now=lambda: datetime.now(UTC),
)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Any event in, the number of refreshes sent out."""
    report = dispatch()
    count("refresh_sent", report.sent)
    count("refresh_barred", int(report.blocked))
    if report.stopped is not None:  # every minute, so an alarm can tell how long it lasts
        count(f"breaker_open_{report.stopped.value}")
    for status, number in report.closed.items():
        count(f"refresh_{status}", number)
    if report.sent or report.closed:
        logger.info("refreshes dispatched", sent=report.sent, closed=dict(report.closed))
    return {"sent": report.sent}
