"""The SQS queue that holds a replay's id until the replay is over."""

from __future__ import annotations

from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable


class SqsClient(Protocol):
    """What is used of boto3's `sqs` client."""

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> Any: ...  # noqa: N803  # boto3's


class ReplayQueue:
    def __init__(self, client: SqsClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, replay_id: str) -> None:
        """Hand a replay over to the function that works on it. Raises Unavailable."""
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=replay_id)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the replay was not queued: {error}") from error
