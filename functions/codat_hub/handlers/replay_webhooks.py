"""Lambda: a replay's id from the queue -> its webhooks are projected again, page by page.

A message about a tail stays in the queue until the tail's hour is over; then the tail is ended.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.bus_tails import BusTails
from codat_hub.product_events.adapters.full_load_store import FullLoadStore
from codat_hub.product_events.adapters.inbox_archive import InboxArchive
from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.product_events.adapters.product_bus import EventBridgeBus
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.adapters.replay_store import ReplayStore
from codat_hub.product_events.domain.tail import tail_of
from codat_hub.product_events.usecases.project_reads import ProjectReads
from codat_hub.product_events.usecases.replay_webhooks import ReplayWebhooks
from codat_hub.product_events.usecases.tail_events import EndTail
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.settings.replay_webhooks import ReplayWebhooksSettings
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import count, logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})
_FOR_A_PAGE: Final = 60_000  # milliseconds; a page takes far less

settings = ReplayWebhooksSettings.from_env()
_dynamodb = boto3.client("dynamodb", config=_AWS)
_events = boto3.client("events", config=_AWS)
_table = StateTable(_dynamodb, settings.state_table)
_parking = ParkingStore(_table)
replay = ReplayWebhooks(
    replays=ReplayStore(_table),
    archive=InboxArchive(_dynamodb, settings.inbox_table),
    parking=_parking,
    project=ProjectReads(
        read_states=ReadStateStore(_table),
        companies=CompanyStore(_table),
        assignments=AssignmentStore(_table),
        rate_limits=RateLimitNoticeStore(_table),
        registry=ProductStore(_table),
        bus=EventBridgeBus(_events, settings.product_bus),
        parking=_parking,
        full_loads=FullLoadStore(_table),
    ),
)

end_tail = EndTail(BusTails(_events, boto3.client("sqs", config=_AWS), settings.product_bus_arn))


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take an SQS batch and return the messages of unfinished replays, to be delivered again."""
    return {
        "batchItemFailures": [
            {"itemIdentifier": message["messageId"]}
            for message in event["Records"]
            if not _over(message["body"], context)
        ]
    }


def _over(message: str, context: LambdaContext) -> bool:
    """Work on a message; tell whether it may leave the queue."""
    tail = tail_of(message)
    if tail is None:
        return _continue(message, context)
    try:
        return end_tail(tail)
    except Unavailable as error:
        logger.error("tail not ended yet", tail_id=tail.tail_id, cause=str(error))
        return False


def _continue(replay_id: str, context: LambdaContext) -> bool:
    """Continue a replay while there is time, and return whether it is over."""
    try:
        over = replay(replay_id, partial(_has_time, context))
    except Unavailable as error:
        logger.error("replay interrupted", replay_id=replay_id, cause=str(error))
        over = False
    count("replay_over" if over else "replay_continued")
    return over


def _has_time(context: LambdaContext) -> bool:
    return context.get_remaining_time_in_millis() > _FOR_A_PAGE
