"""The conveyor between dispatcher and worker: an SQS queue of ids, no payloads."""

from __future__ import annotations

import json
from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable
from codat_hub.refresh.domain.refresh_message import RefreshMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_sqs import SQSClient

_BATCH: Final = 10  # SendMessageBatch's own limit
_TRIES: Final = 3


class RefreshQueue:
    """Raises Unavailable when SQS does not take what it is sent."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, messages: Iterable[RefreshMessage]) -> None:
        """Send them all; what SQS refuses of a batch is sent again a few times."""
        for some in batched(messages, _BATCH, strict=False):
            self._send_batch(list(some))

    def _send_batch(self, messages: list[RefreshMessage]) -> None:
        entries: list[Any] = [_entry(place, one) for place, one in enumerate(messages)]
        for _ in range(_TRIES):
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"refreshes were not sent: {error}") from error
            failed = {one["Id"] for one in answer.get("Failed", [])}
            entries = [one for one in entries if one["Id"] in failed]
            if not entries:
                return
        raise Unavailable(f"SQS keeps refusing {len(entries)} of {len(messages)} refreshes")


def _entry(place: int, message: RefreshMessage) -> dict[str, Any]:
    body = {
        "company_id": message.company_id,
        "product": message.product,
        "generation": message.generation,
    }
    delay = int(message.delay.total_seconds())
    return {"Id": str(place), "MessageBody": json.dumps(body), "DelaySeconds": delay}


def parsed(body: str) -> RefreshMessage:
    """Raises KeyError, ValueError for what is no message of ours."""
    content = json.loads(body)
    return RefreshMessage(content["company_id"], content["product"], int(content["generation"]))
