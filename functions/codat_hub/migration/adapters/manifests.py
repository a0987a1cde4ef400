"""Listings, chunk manifests and plans in S3, under `{migration}/`: too big for the ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from codat_hub.storage.aws import unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ManifestBucket:
    """JSON objects by key. Raises Unavailable if S3 does not answer."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, value: Any) -> None:
        with unavailable(f"{key} was not written"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=json.dumps(value).encode(),
                ContentType="application/json",
            )

    def get(self, key: str) -> Any:
        """Return the object's value, None if there is no such object."""
        with unavailable(f"{key} was not read"):
            try:
                return json.load(self._client.get_object(Bucket=self._bucket, Key=key)["Body"])
            except self._client.exceptions.NoSuchKey:
                return None
