"""Lambda: a product's schedule, a person or every minute -> tickets of a slot, page by page.

Events: `{"product", "scheduled_time"}` from EventBridge Scheduler, the same with `requested_by`
from the control API, and `{}` every minute, which goes on with unfinished runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.usecases.list_overdue import ListOverdue
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.domain.schedule_expression import next_after
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.refresh.adapters.dispatch_store import DispatchStore
from codat_hub.refresh.adapters.refresh_queue import RefreshQueue
from codat_hub.refresh.adapters.refresh_run_store import RefreshRunStore
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.usecases.dispatch_refreshes import DispatchRefreshes
from codat_hub.refresh.usecases.plan_refreshes import PlanRefreshes, PlanReport
from codat_hub.settings.plan_refreshes import PlanRefreshesSettings
from codat_hub.storage.items import SHARDS
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import count, logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS: Final = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})
_PAGE_MILLISECONDS: Final = 15_000  # a page of 100 companies, with retries

settings = PlanRefreshesSettings.from_env()
_table = StateTable(boto3.client("dynamodb", config=_AWS), settings.state_table)
_registry = ProductStore(_table, max_age=1.0)
plan = PlanRefreshes(
    runs=RefreshRunStore(_table),
    tickets=TicketStore(_table),
    assignments=AssignmentStore(_table),
    companies=CompanyStore(_table),
    registry=_registry,
    list_overdue=ListOverdue(ReadStateStore(_table)),
    limiters=RateLimiterStore(_table),
    notices=RateLimitNoticeStore(_table),
    next_slot=next_after,
    shards=SHARDS,
    window=timedelta(seconds=settings.refresh_jitter_seconds),
    now=lambda: datetime.now(UTC),
)
dispatch = DispatchRefreshes(
    tickets=TicketStore(_table),
    limiters=RateLimiterStore(_table),
    notices=RateLimitNoticeStore(_table),
    registry=_registry,
    memories=DispatchStore(_table),
    queue=RefreshQueue(boto3.client("sqs", config=_AWS), settings.refresh_queue_url),
    now=lambda: datetime.now(UTC),
)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """A schedule's input in, the number of tickets opened out."""

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > _PAGE_MILLISECONDS

    if "product" in event:
        slot = datetime.fromisoformat(event["scheduled_time"])
        person = event.get("requested_by")
        reports = [plan(event["product"], slot, has_time, requested_by=person)]
        if person is not None:
            dispatch()  # a person does not wait for the minute
    else:
        reports = plan.resume(has_time)
    for report in reports:
        _count(report)
    return {"opened": sum(report.opened for report in reports)}


def _count(report: PlanReport) -> None:
    if report.opened:
        count("refresh_planned", report.opened)
    for status, number in report.closed.items():
        count(f"refresh_{status}", number)
    if report.run is not None:
        run = report.run
        logger.info(
            "refreshes planned",
            product=run.product,
            slot=run.slot.isoformat(),
            opened=report.opened,
            served=run.served,
            skipped=dict(run.skipped_by),
            done=run.done,
        )
