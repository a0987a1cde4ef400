"""Lambda: refresh queue -> at most one call to Codat per message, its outcome on the ticket."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from botocore.config import Config

from codat_hub.codat.adapters.api_key import SecretKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.adapters.transport import Timeouts, Transport, new_http
from codat_hub.codat.usecases.client_binding import ClientBinding
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.rate_limiting.usecases import admit_calls
from codat_hub.refresh.adapters.lease_store import LeaseStore
from codat_hub.refresh.adapters.refresh_queue import RefreshQueue, parsed
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain.ticket import TicketStatus
from codat_hub.refresh.usecases.make_call import MakeCall
from codat_hub.refresh.usecases.record_outcome import RecordOutcome, RefreshReport
from codat_hub.refresh.usecases.refresh_product import RefreshProduct
from codat_hub.refresh.usecases.take_turn import TakeTurn
from codat_hub.refresh.usecases.wake_company import WakeCompany
from codat_hub.settings import PRODUCT_SCOPE
from codat_hub.settings.refresh_product import RefreshProductSettings
from codat_hub.storage.state_table import StateTable
from codat_hub.telemetry import count, count_by, logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AWS: Final = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})
# Codat notes a refresh and answers at once: a slow answer is treated as none.
_TIMEOUTS: Final = Timeouts(connect=3.0, read=8.0, total=10.0)
_MESSAGE_MILLISECONDS: Final = 25_000  # one message, with slow answers everywhere

settings = RefreshProductSettings.from_env()
_table = StateTable(boto3.client("dynamodb", config=_AWS), settings.state_table)
_queue = RefreshQueue(boto3.client("sqs", config=_AWS), settings.refresh_queue_url)
_tickets = TicketStore(_table)
_leases = LeaseStore(_table, per_product=settings.lease_scope == PRODUCT_SCOPE)
_limiters = RateLimiterStore(_table)
_assignments = AssignmentStore(_table)
_transport = partial(
    Transport,
    new_http(),
    SecretKey(boto3.client("secretsmanager", config=_AWS), settings.codat_api_key_arn),
    base_url=settings.codat_base_url,
    timeouts=_TIMEOUTS,
)
_codat = CodatClient(_transport())  # `_take_turn` admits its calls
_checked = CodatClient(_transport(admit=admit_calls.for_commands(_limiters)))


def _now() -> datetime:
    return datetime.now(UTC)


_wake = WakeCompany(_tickets, _leases, _queue, _now)
_take_turn = TakeTurn(_limiters, RateLimitNoticeStore(_table), _leases, _now)
_make_call = MakeCall(
    tickets=_tickets,
    read_states=ReadStateStore(_table),
    codat=_codat,
    check_client=ClientBinding(_checked, ClientCheckStore(_table), settings.codat_client_id),
    now=_now,
    new_id=lambda: str(uuid.uuid4()),
)
refresh = RefreshProduct(
    tickets=_tickets,
    registry=ProductStore(_table, max_age=1.0),
    assignments=_assignments,
    take_turn=_take_turn,
    make_call=_make_call,
    record_outcome=RecordOutcome(
        tickets=_tickets,
        limiters=_limiters,
        assignments=_assignments,
        take_turn=_take_turn,
        wake=_wake,
        was_read=_make_call.was_read,
        now=_now,
        chance=random.random,
    ),
    wake=_wake,
    now=_now,
)
processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """SQS batch in, the messages that have to come again out."""
    return process_partial_response(
        event=event, record_handler=_refresh, processor=processor, context=context
    )


def _refresh(record: SQSRecord, lambda_context: LambdaContext) -> None:
    if lambda_context.get_remaining_time_in_millis() < _MESSAGE_MILLISECONDS:
        raise Unavailable("no time is left for this message, so it comes again")
    try:
        result = refresh(parsed(record.body))
    except Unavailable as fault:
        logger.error("refresh not done yet", cause=str(fault))
        count("refresh_later")
        raise
    except Exception:
        logger.exception("refresh could not be handled", message_id=record.message_id)
        count("refresh_fault")
        raise
    _measure(result)


def _measure(result: RefreshReport) -> None:
    """Count the calls (`refresh_asked`) and what became of the ticket."""
    if result.called:
        count("refresh_asked")
    count(f"refresh_{result.outcome}")
    if result.woken:
        count("refresh_woken")
    if result.opened is not None:
        count(f"breaker_opened_{result.opened.value}")
    ticket = result.ticket
    if ticket is None:
        return
    if ticket.status is TicketStatus.FAILED and ticket.failure is not None:
        if result.outcome != ticket.status:  # else it is counted above
            count("refresh_failed")
        count_by("refresh_failed_by", kind=ticket.failure.kind)
    if ticket.status is TicketStatus.ACCEPTED and ticket.accepted_at is not None:
        waited = (ticket.accepted_at - ticket.opened_at).total_seconds()
        metrics.add_metric("refresh_accepted_after", MetricUnit.Seconds, waited)
        count("refresh_calls", ticket.attempts)
