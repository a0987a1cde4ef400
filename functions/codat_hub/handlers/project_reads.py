"""Lambda: new items of the inbox stream -> product events, read state and directory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from botocore.config import Config

from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.full_load_store import FullLoadStore
from codat_hub.product_events.adapters.inbox_stream import stored_webhook
from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.product_bus import EventBridgeBus
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.usecases.project_reads import FailedType, ProjectReads
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.refresh.adapters.lease_store import LeaseStore
from codat_hub.refresh.adapters.refresh_queue import RefreshQueue
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.usecases.wake_company import WakeCompany
from codat_hub.settings import PRODUCT_SCOPE
from codat_hub.settings.project_reads import ProjectReadsSettings
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import count, logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# The stream delivers a record again, so it is better to give up soon than to time out.
_AWS = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})

settings = ProjectReadsSettings.from_env()
_table = StateTable(boto3.client("dynamodb", config=_AWS), settings.state_table)
project = ProjectReads(
    read_states=ReadStateStore(_table),
    companies=CompanyStore(_table),
    assignments=AssignmentStore(_table),
    rate_limits=RateLimitNoticeStore(_table),
    registry=ProductStore(_table),
    bus=EventBridgeBus(boto3.client("events", config=_AWS), settings.product_bus),
    parking=ParkingStore(_table),
    full_loads=FullLoadStore(_table),
    wake=WakeCompany(
        tickets=TicketStore(_table),
        leases=LeaseStore(_table, per_product=settings.lease_scope == PRODUCT_SCOPE),
        queue=RefreshQueue(boto3.client("sqs", config=_AWS), settings.refresh_queue_url),
        now=lambda: datetime.now(UTC),
    ),
)
# Each failed record is reported by itself; an exception would repeat the whole batch.
processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take a batch of the DynamoDB stream and return the records to deliver again."""
    return process_partial_response(
        event=event, record_handler=_project_record, processor=processor, context=context
    )


def _project_record(record: DynamoDBRecord) -> None:
    webhook = stored_webhook((record.dynamodb and record.dynamodb.new_image) or {})
    try:
        report = project(webhook)
    except Unavailable as error:
        logger.error("webhook not projected yet", webhook_id=webhook.webhook_id, cause=str(error))
        count("projected_later")
        raise
    count(f"projected_{report.outcome}")
    if report.parked_entries:
        count("projected_parked", report.parked_entries)
    if report.dated_ahead:
        logger.warning("webhook is dated ahead", webhook_id=webhook.webhook_id)
        count("webhook_dated_ahead")
    if report.woken.woken:
        count("refresh_woken")
    if report.woken.completed:
        count("refresh_completed")
    if report.unregistered is not None:
        logger.warning("product is not registered", product=report.unregistered)
        count("product_unregistered")
    for failed in report.failed:
        _count_failed(failed)


def _count_failed(failed: FailedType) -> None:
    """Count a failure for the alarm, and again by data type and integration for diagnosis."""
    count("read_failed")
    with single_metric(
        name="data_type_failed", unit=MetricUnit.Count, value=1, namespace=metrics.namespace
    ) as metric:
        metric.add_dimension("service", logger.service)  # the stack, as in every other metric
        metric.add_dimension("data_type", failed.data_type)
        metric.add_dimension("integration", failed.integration)
        metric.add_metadata("status", failed.status)
