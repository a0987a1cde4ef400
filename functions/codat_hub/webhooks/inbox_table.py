"""The Inbox table holds each authentic webhook once, unchanged, until its TTL."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import Unavailable

if TYPE_CHECKING:
    from datetime import timedelta

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import UniversalAttributeValueTypeDef

    from codat_hub.webhooks.webhook_event import Delivery, Unrecognised, WebhookFacts


class InboxTable:
    """Stores one item per message, for the consumer that receives the message first.

    A message has the same `webhook-id` at every endpoint it is sent to (docs/codat.md, C35).

    Attributes: `webhook_id` (key), `consumer`, `received_at` (ISO 8601), `body` (the raw text) and
    `expires_at` (TTL, epoch seconds). A recognised webhook has `event_id`, `event_type`,
    `generated_date`, and `company_id` and `product` where known; any other has `quarantine`, the
    reason.
    """

    def __init__(self, client: DynamoDBClient, table: str, retention: timedelta) -> None:
        self._client = client
        self._table = table
        self._retention = retention

    def store(self, delivery: Delivery, facts: WebhookFacts | Unrecognised) -> bool:
        """Store the delivery unless its webhook-id is known; return whether it was new.

        Raises Unavailable when DynamoDB refuses the item or does not answer.
        """
        texts = {
            "webhook_id": delivery.webhook_id,
            "consumer": delivery.consumer,
            "received_at": delivery.received_at.isoformat(timespec="milliseconds"),
            # The signature check proved that it is UTF-8. A person can read text in the console.
            "body": delivery.body.decode(),
        } | asdict(facts)
        item: dict[str, UniversalAttributeValueTypeDef] = {
            name: {"S": value} for name, value in texts.items() if value is not None
        }
        expires = delivery.received_at + self._retention
        item["expires_at"] = {"N": str(int(expires.timestamp()))}
        return self._put_once(item)

    def _put_once(self, item: dict[str, UniversalAttributeValueTypeDef]) -> bool:
        webhook_id_not_seen = "attribute_not_exists(webhook_id)"
        try:
            self._client.put_item(
                TableName=self._table, Item=item, ConditionExpression=webhook_id_not_seen
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except ClientError as error:
            raise Unavailable(f"the inbox refused the webhook: {error}") from error
        except BotoCoreError as error:
            # The error's text may quote the payload.
            raise Unavailable(f"the inbox did not answer: {type(error).__name__}") from error
        return True
