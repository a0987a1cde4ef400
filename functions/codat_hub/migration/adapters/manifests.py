"""What is too big for the ledger, in S3 under `{migration}/`: listings, chunk manifests, plans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Manifests:
    """JSON objects by key. Raises Unavailable when S3 does not do what was asked."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, value: Any) -> None:
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=json.dumps(value).encode(),
                ContentType="application/json",
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"{key} was not written: {error}") from error

    def get(self, key: str) -> Any:
        """Return None if there is no such object."""
        try:
            return json.load(self._client.get_object(Bucket=self._bucket, Key=key)["Body"])
        except self._client.exceptions.NoSuchKey:
            return None
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"{key} was not read: {error}") from error
