"""An SQS queue of ids: a message holds its run's id until the run is over."""

from __future__ import annotations

import json
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable


class SqsClient(Protocol):
    """What is used of boto3's `sqs` client."""

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> Any: ...  # noqa: N803  # boto3's


class IdQueue:
    """A message is the id alone, or `{field: id}` where a field is given."""

    def __init__(self, client: SqsClient, url: str, field: str | None = None) -> None:
        self._client = client
        self._url = url
        self._field = field

    def send(self, run_id: str) -> None:
        """Hand a run over to the function that works on it. Raises Unavailable."""
        body = run_id if self._field is None else json.dumps({self._field: run_id})
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=body)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the run was not queued: {error}") from error
