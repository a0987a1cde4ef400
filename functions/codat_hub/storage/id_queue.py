"""An SQS queue of run ids: a message stays until its run is over."""

from __future__ import annotations

import json
from typing import Any, Protocol

from codat_hub.storage.aws import unavailable


class SqsClient(Protocol):
    """The part of boto3's `sqs` client that the queue uses."""

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803  # boto3's
        MessageBody: str,  # noqa: N803
        DelaySeconds: int,  # noqa: N803
    ) -> Any: ...


class IdQueue:
    """A queue whose messages are the id alone, or `{field: id}` where a field is given."""

    def __init__(self, client: SqsClient, url: str, field: str | None = None) -> None:
        self._client = client
        self._url = url
        self._field = field

    def send(self, run_id: str) -> None:
        """Hand a run over to the function that works on it. Raises Unavailable."""
        self.send_later(run_id, 0)

    def send_later(self, run_id: str, seconds: int) -> None:
        """Do the same after some seconds, 900 at most. Raises Unavailable."""
        body = run_id if self._field is None else json.dumps({self._field: run_id})
        with unavailable("the run was not queued"):
            self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=seconds)
