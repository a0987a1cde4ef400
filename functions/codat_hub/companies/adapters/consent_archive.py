"""Copies of the changes of the consent ledger, in a bucket that keeps them unchanged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import StreamRecord

from codat_hub.storage.aws import unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client


class ConsentArchive:
    """One object for each change, as DynamoDB's stream tells it, old and new item included.

    Its key is `consents/{date}/{sequence number}.json`, with the date of the change in UTC. The
    bucket's default retention locks every version, so a repeated write takes nothing away.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, record: Mapping[str, Any]) -> str:
        """Write a record of the stream; return its key. Raises Unavailable."""
        change = StreamRecord(record["dynamodb"])
        at = datetime.fromtimestamp(change.approximate_creation_date_time or 0, UTC)
        key = f"consents/{at:%Y-%m-%d}/{change.sequence_number}.json"
        copied = {name: record[name] for name in ("eventName", "dynamodb")}
        with unavailable(f"{key} was not written"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=json.dumps(copied, sort_keys=True).encode(),
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",  # S3 asks for a checksum where objects are locked
            )
        return key
