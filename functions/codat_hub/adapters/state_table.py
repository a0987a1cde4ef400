"""The State table: one table for all that the hub knows, each kind of item under keys of its own.

`pk` / `sk` so far (issue by issue more come; `version` counts the changes of an item):

    COMPANY#{company}  / DIRECTORY        companies.py
    COMPANY#{company}  / READS            read_states.py, plain reads
    COMPANY#{company}  / READS#{product}  read_states.py, one item per custom product
    CODAT              / RATE_LIMIT       rate_limits.py
    CODAT              / PRODUCTS         product_registry.py
    PARKED             / {webhook-id}     parking.py, with `expires_at` (TTL)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import NeverProjected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

CODAT: Final = "CODAT"
_KEY_NAMES: Final = ("pk", "sk", "version")
_serialize: Final = TypeSerializer().serialize
_deserialize: Final = TypeDeserializer().deserialize


class ItemKey(NamedTuple):
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An item's attributes and version; version 0 is an item that is not there."""

    attributes: Mapping[str, Any]
    version: int


class StateTable:
    """Reads are consistent. Raises Unavailable when DynamoDB does not answer as it should."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: ItemKey) -> Stored:
        try:
            answer = self._client.get_item(
                TableName=self._name,
                Key={name: {"S": value} for name, value in key._asdict().items()},
                ConsistentRead=True,
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the state was not read: {error}") from error
        item = {name: _deserialize(value) for name, value in answer.get("Item", {}).items()}
        version = int(item.get("version", 0))
        return Stored({n: v for n, v in item.items() if n not in _KEY_NAMES}, version)

    def put(self, key: ItemKey, attributes: Mapping[str, Any], version: int) -> bool:
        """Replace the item if it still has the version that was read. Tells whether it had.

        Raises NeverProjected for an item that DynamoDB will never take.
        """
        item = {**key._asdict(), **attributes, "version": version + 1}
        unchanged_since_read = "version = :read" if version else "attribute_not_exists(pk)"
        request: dict[str, Any] = {
            "TableName": self._name,
            "Item": {name: _serialize(value) for name, value in item.items() if value is not None},
            "ConditionExpression": unchanged_since_read,
        }
        if version:
            request["ExpressionAttributeValues"] = {":read": {"N": str(version)}}
        try:
            self._client.put_item(**request)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError) as error:
            if _code(error) == "ValidationException":  # such as an item over 400 KB
                raise NeverProjected(f"DynamoDB refuses the item: {error}") from error
            raise Unavailable(f"the state was not written: {error}") from error
        return True


def _code(error: Exception) -> str:
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""


def company_key(company_id: str, sort: str) -> ItemKey:
    return ItemKey(f"COMPANY#{company_id}", sort)


def spell(moment: datetime) -> str:
    """Spell an aware time so that it sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def spell_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else spell(moment)


def moment_or_none(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
