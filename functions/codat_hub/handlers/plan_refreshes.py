"""Lambda: a product's schedule, a person or the minute -> the slot's tickets, opened page by page.

Events: `{"product", "scheduled_time"}` from EventBridge Scheduler, the same with `requested_by`
from the control API, and `{}` every minute, which goes on with what was left undone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from codat_hub.companies.adapters.assignment_store import Assignments
from codat_hub.companies.adapters.company_store import Companies
from codat_hub.products.adapters.product_store import ProductRegistry
from codat_hub.products.domain.schedule_expression import next_after
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimits
from codat_hub.rate_limiting.adapters.rate_limiter_store import Gates
from codat_hub.refresh.adapters.dispatch_store import Dispatches
from codat_hub.refresh.adapters.refresh_queue import RefreshQueue
from codat_hub.refresh.adapters.refresh_run_store import RefreshRuns
from codat_hub.refresh.adapters.ticket_store import Tickets
from codat_hub.refresh.usecases.dispatch_refreshes import DispatchRefreshes
from codat_hub.refresh.usecases.plan_refreshes import Planned, PlanRefreshes
from codat_hub.settings.plan_refreshes import PlanRefreshesSettings
from codat_hub.storage.items import SHARDS
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS: Final = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})
_PAGE_MILLISECONDS: Final = 15_000  # that a page of a hundred companies may take, with retries

settings = PlanRefreshesSettings.from_env()
_table = StateTable(boto3.client("dynamodb", config=_AWS), settings.state_table)
_registry = ProductRegistry(_table, max_age=1.0)
plan = PlanRefreshes(
    runs=RefreshRuns(_table),
    tickets=Tickets(_table),
    assignments=Assignments(_table),
    companies=Companies(_table),
    registry=_registry,
    gates=Gates(_table),
    rate_limits=RateLimits(_table),
    next_slot=next_after,
    shards=SHARDS,
    window=timedelta(seconds=settings.refresh_jitter_seconds),
    now=lambda: datetime.now(UTC),
)
dispatch = DispatchRefreshes(
    tickets=Tickets(_table),
    gates=Gates(_table),
    rate_limits=RateLimits(_table),
    registry=_registry,
    dispatches=Dispatches(_table),
    queue=RefreshQueue(boto3.client("sqs", config=_AWS), settings.refresh_queue_url),
    now=lambda: datetime.now(UTC),
)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """A schedule's input in, how many tickets were opened out."""

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > _PAGE_MILLISECONDS

    if "product" in event:
        slot = datetime.fromisoformat(event["scheduled_time"])
        person = event.get("requested_by")
        done = [plan(event["product"], slot, has_time, requested_by=person)]
        if person is not None:
            dispatch()  # a person does not wait for the minute
    else:
        done = plan.resume(has_time)
    for one in done:
        _count(one)
    return {"opened": sum(one.opened for one in done)}


def _count(planned: Planned) -> None:
    if planned.opened:
        metrics.add_metric("refresh_planned", MetricUnit.Count, planned.opened)
    for status, count in planned.closed.items():
        metrics.add_metric(f"refresh_{status}", MetricUnit.Count, count)
    if planned.run is not None:
        run = planned.run
        logger.info(
            "refreshes planned",
            product=run.product,
            slot=run.slot.isoformat(),
            opened=planned.opened,
            done=run.done,
        )
