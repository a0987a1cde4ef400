"""Lambda: changes of the consent ledger's stream -> objects that nobody can change for years."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from botocore.config import Config

from codat_hub.companies.adapters.consent_archive import ConsentArchive
from codat_hub.errors import Unavailable
from codat_hub.settings.archive_consents import ArchiveConsentsSettings
from codat_hub.telemetry import count, logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# The stream delivers a record again, so it is better to give up soon than to time out.
_AWS = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3})

settings = ArchiveConsentsSettings.from_env()
archive = ConsentArchive(boto3.client("s3", config=_AWS), settings.audit_bucket)
# Each failed record is reported by itself; an exception would repeat the whole batch.
processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take a batch of the DynamoDB stream and return the records to deliver again."""
    return process_partial_response(
        event=event, record_handler=_keep, processor=processor, context=context
    )


def _keep(record: DynamoDBRecord) -> None:
    try:
        key = archive.keep(record.raw_event)
    except Unavailable as error:
        logger.error("consent not archived yet", cause=str(error))
        raise
    logger.info("consent archived", change=key)
    count("consent_archived")
