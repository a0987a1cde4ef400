"""Publishes product events on an EventBridge bus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import NeverProjected, Unavailable
from codat_hub.product_events.domain.product_event import DETAIL_TYPE, SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codat_hub.product_events.domain.product_event import ProductEvent

# No retry helps here: an entry is too large or malformed. (EventBridge API: PutEvents)
_REFUSED_FOR_GOOD: Final = {"ValidationException", "InvalidArgument", "MalformedDetail"}


class EventsClient(Protocol):
    """The part of boto3's `events` client that the bus uses."""

    def put_events(self, *, Entries: Sequence[Any]) -> Any: ...  # noqa: N803  # boto3's spelling


class EventBridgeBus:
    """The bus that carries product events to the teams."""

    def __init__(self, client: EventsClient, name: str) -> None:
        self._client = client
        self._name = name

    def publish(self, event: ProductEvent) -> None:
        """Put the event on the bus, in parts if it is too large for one entry.

        Raises Unavailable unless EventBridge accepts every part. Some parts may be out then;
        publishing again repeats them under the same event keys. Raises NeverProjected if
        EventBridge can never accept the event.
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
            # One entry per call: the size limit of an entry is also that of a call.
            answer = self._client.put_events(Entries=[entry])
        except ClientError as error:
            raise _refusal(error.response["Error"].get("Code"), str(error)) from error
        except BotoCoreError as error:
            raise Unavailable(f"the event was not published: {error}") from error
        (result,) = answer["Entries"]
        if answer["FailedEntryCount"] or "EventId" not in result:
            code, text = result.get("ErrorCode"), result.get("ErrorMessage")
            raise _refusal(code, f"{code}: {text}")


def _refusal(code: str | None, text: str) -> Exception:
    kind = NeverProjected if code in _REFUSED_FOR_GOOD else Unavailable
    return kind(f"EventBridge refused the event: {text}")
