"""The bus that carries product events to the teams: one EventBridge event bus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import NeverProjected, Unavailable
from codat_hub.product_events.domain.product_event import DETAIL_TYPE, SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codat_hub.product_events.domain.product_event import ProductEvent

# What no retry mends, such as an entry that is too large. (EventBridge API: PutEvents)
_REFUSED_FOR_GOOD: Final = {"ValidationException", "InvalidArgument", "MalformedDetail"}


class EventsClient(Protocol):
    """What is used of boto3's `events` client."""

    def put_events(self, *, Entries: Sequence[Any]) -> Any: ...  # noqa: N803  # boto3's spelling


class ProductBus:
    def __init__(self, client: EventsClient, name: str) -> None:
        self._client = client
        self._name = name

    def publish(self, event: ProductEvent) -> None:
        """Put the event, in parts if it is too large for one entry.

        Raises Unavailable unless EventBridge took every part; then some may be out already, and
        publishing again repeats them under their own event keys. Raises NeverProjected for an
        event that it will never take.
        """
        for part in event.parts():
            self._put(part)

    def _put(self, event: ProductEvent) -> None:
        entry = {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(event.detail()),
        }
        try:
            # one entry a call: the limit of a call is that of an entry
            answer = self._client.put_events(Entries=[entry])
        except ClientError as error:
            raise _refusal(error.response["Error"].get("Code"), str(error)) from error
        except BotoCoreError as error:
            raise Unavailable(f"the event was not published: {error}") from error
        (said,) = answer["Entries"]
        if answer["FailedEntryCount"] or "EventId" not in said:
            code, text = said.get("ErrorCode"), said.get("ErrorMessage")
            raise _refusal(code, f"{code}: {text}")


def _refusal(code: str | None, text: str) -> Exception:
    kind = NeverProjected if code in _REFUSED_FOR_GOOD else Unavailable
    return kind(f"EventBridge refused the event: {text}")
