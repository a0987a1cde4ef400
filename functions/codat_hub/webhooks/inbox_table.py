"""The Inbox table: every authentic webhook, once, for ever as it came (until its TTL)."""

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
    """One item per message, whichever consumer it comes to first: Codat's sender gives the same
    `webhook-id` to every endpoint that a message goes to (docs/codat.md, C35).

    Items: `webhook_id` (key), `consumer`, `received_at` (ISO 8601), `body` (the raw text),
    `expires_at` (TTL, epoch seconds), then `event_id`, `event_type`, `generated_date`,
    `company_id`, `product` where known, or `quarantine` with the reason.
    """

    def __init__(self, client: DynamoDBClient, table: str, retention: timedelta) -> None:
        self._client = client
        self._table = table
        self._retention = retention

    def store(self, delivery: Delivery, facts: WebhookFacts | Unrecognised) -> bool:
        """Put the delivery unless its webhook-id is there already.

        Returns whether it was new. Raises Unavailable when DynamoDB does not take it.
        """
        texts = {
            "webhook_id": delivery.webhook_id,
            "consumer": delivery.consumer,
            "received_at": delivery.received_at.isoformat(timespec="milliseconds"),
            # UTF-8 was proved by the signature check, so decoding loses nothing; text, unlike
            # binary, can be read in the console by the person on call.
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
            raise Unavailable(f"the inbox did not take the webhook: {error}") from error
        except BotoCoreError as error:
            # its text may quote the item, which is payload
            raise Unavailable(f"the inbox gave no answer: {type(error).__name__}") from error
        return True
