"""The SQS queue that holds a reconcile's id until the run is over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from codat_hub.adapters.replay_queue import SqsClient


class ReconcileQueue:
    """A message is `{"reconcile_id"}`; the schedule's is `{"scheduled_time"}`."""

    def __init__(self, client: SqsClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, reconcile_id: str) -> None:
        """Hand a run over to the function that works on it. Raises Unavailable."""
        try:
            self._client.send_message(
                QueueUrl=self._url, MessageBody=json.dumps({"reconcile_id": reconcile_id})
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the reconcile was not queued: {error}") from error
