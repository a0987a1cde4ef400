"""Finds stored webhooks in the Inbox table by webhook-id or by the time they were received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer

from codat_hub.product_events.adapters.inbox_stream import stored_webhook
from codat_hub.products.domain.product import STANDARD
from codat_hub.storage.aws import unavailable

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from codat_hub.product_events.domain.replay import ReceivedBetween
    from codat_hub.product_events.domain.stored_webhook import StoredWebhook

_SCANNED: Final = 100  # items per page, matching or not: the table has no index
_deserialize: Final = TypeDeserializer().deserialize


class InboxArchive:
    """Reads stored webhooks, consistently. Raises Unavailable when DynamoDB fails."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, webhook_id: str) -> StoredWebhook | None:
        with unavailable("the inbox was not read"):
            answer = self._client.get_item(
                TableName=self._table, Key={"webhook_id": {"S": webhook_id}}, ConsistentRead=True
            )
        return _webhook(answer["Item"]) if "Item" in answer else None

    def page(
        self, received: ReceivedBetween, after: str | None
    ) -> tuple[list[StoredWebhook], str | None]:
        """Return the matches of a page and where the next page starts, None after the last."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "Limit": _SCANNED,
            **_filter(received),
        }
        if after is not None:
            request["ExclusiveStartKey"] = {"webhook_id": {"S": after}}
        with unavailable("the inbox was not read"):
            answer = self._client.scan(**request)
        last = answer.get("LastEvaluatedKey")
        webhooks = [_webhook(item) for item in answer["Items"]]
        return webhooks, last["webhook_id"]["S"] if last else None


def _filter(received: ReceivedBetween) -> dict[str, Any]:
    values = {":since": _text(received.since), ":until": _text(received.until)}
    conditions = ["received_at >= :since", "received_at < :until"]
    if received.company_id is not None:
        values[":company"] = received.company_id
        conditions.append("company_id = :company")
    if received.product == STANDARD:
        # A plain read is published as "standard", but names no product in its event type.
        values |= {":product": STANDARD, ":plain": "read.completed"}
        conditions.append("(product = :product OR begins_with(event_type, :plain))")
    elif received.product is not None:
        values[":product"] = received.product
        conditions.append("product = :product")
    return {
        "FilterExpression": " AND ".join(conditions),
        "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()},
    }


def _text(moment: datetime) -> str:
    """Return an aware time in UTC as the inbox stores it."""
    return moment.isoformat(timespec="milliseconds")


def _webhook(item: Any) -> StoredWebhook:
    return stored_webhook({name: _deserialize(value) for name, value in item.items()})
