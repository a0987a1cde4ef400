"""The Inbox table as an archive: what came, found by webhook-id or by when it was received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.inbox_stream import stored_webhook
from codat_hub.products.domain.product import STANDARD

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from codat_hub.product_events.domain.replay import Received
    from codat_hub.product_events.domain.stored_webhook import StoredWebhook

_SCANNED: Final = 100  # items a page; the table has no index, so what does not match counts too
_deserialize: Final = TypeDeserializer().deserialize


class InboxArchive:
    """Reads are consistent. Raises Unavailable when DynamoDB does not answer as it should."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, webhook_id: str) -> StoredWebhook | None:
        try:
            answer = self._client.get_item(
                TableName=self._table, Key={"webhook_id": {"S": webhook_id}}, ConsistentRead=True
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the inbox was not read: {error}") from error
        return _webhook(answer["Item"]) if "Item" in answer else None

    def page(self, received: Received, after: str | None) -> tuple[list[StoredWebhook], str | None]:
        """Return the matches of one page, and where the next one starts; None behind the last."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "Limit": _SCANNED,
            **_filter(received),
        }
        if after is not None:
            request["ExclusiveStartKey"] = {"webhook_id": {"S": after}}
        try:
            answer = self._client.scan(**request)
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the inbox was not read: {error}") from error
        last = answer.get("LastEvaluatedKey")
        webhooks = [_webhook(item) for item in answer["Items"]]
        return webhooks, last["webhook_id"]["S"] if last else None


def _filter(received: Received) -> dict[str, Any]:
    values = {":since": _spell(received.since), ":until": _spell(received.until)}
    conditions = ["received_at >= :since", "received_at < :until"]
    if received.company_id is not None:
        values[":company"] = received.company_id
        conditions.append("company_id = :company")
    if received.product == STANDARD:
        # what is published as standard came as a plain read, which names no product
        values |= {":product": STANDARD, ":plain": "read.completed"}
        conditions.append("(product = :product OR begins_with(event_type, :plain))")
    elif received.product is not None:
        values[":product"] = received.product
        conditions.append("product = :product")
    return {
        "FilterExpression": " AND ".join(conditions),
        "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()},
    }


def _spell(moment: datetime) -> str:
    """Spell an aware time in UTC as the inbox does."""
    return moment.isoformat(timespec="milliseconds")


def _webhook(item: Any) -> StoredWebhook:
    return stored_webhook({name: _deserialize(value) for name, value in item.items()})
