"""The queue between dispatcher and worker: an SQS queue of ids, no payloads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.storage.aws import unavailable
from codat_hub.storage.batches import in_batches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_sqs import SQSClient

_BATCH: Final = 10  # SendMessageBatch's own limit


class RefreshQueue:
    """Raises Unavailable when SQS does not take the messages."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, messages: Iterable[RefreshMessage]) -> None:
        """Send all messages; the messages that SQS rejects are sent again at once, a few times."""
        in_batches(messages, _BATCH, self._send_batch, "refreshes were not sent")

    def _send_batch(self, messages: list[RefreshMessage]) -> list[RefreshMessage]:
        entries: list[Any] = [_entry(place, message) for place, message in enumerate(messages)]
        with unavailable("refreshes were not sent"):
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        return [messages[int(failed["Id"])] for failed in answer.get("Failed", [])]


def _entry(place: int, message: RefreshMessage) -> dict[str, Any]:
    body = {
        "company_id": message.company_id,
        "product": message.product,
        "generation": message.generation,
    }
    delay = int(message.delay.total_seconds())
    return {"Id": str(place), "MessageBody": json.dumps(body), "DelaySeconds": delay}


def parsed(body: str) -> RefreshMessage:
    """Read a message's body. Raises KeyError or ValueError if the hub did not write it."""
    content = json.loads(body)
    return RefreshMessage(content["company_id"], content["product"], int(content["generation"]))
