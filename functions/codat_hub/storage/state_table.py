"""The State table: one table for all that the hub knows. `items.py` lists the kinds of items."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.errors import NeverProjected, Unavailable
from codat_hub.storage.aws import unavailable
from codat_hub.storage.batches import in_batches
from codat_hub.storage.items import ItemKey, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from codat_hub.storage.items import Listed

INDEX: Final = "gsi1"
_KEY_NAMES: Final = ("pk", "sk", "version", "gsi1pk", "gsi1sk")
_BATCH: Final = 100  # BatchGetItem's own limit
_CONFLICT_TRIES: Final = 8
_serialize: Final = TypeSerializer().serialize
_deserialize: Final = TypeDeserializer().deserialize


class StateTable:
    """Reads are consistent. Raises Unavailable when DynamoDB does not answer as it should."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: ItemKey) -> Stored:
        with unavailable("the state was not read"):
            answer = self._client.get_item(
                TableName=self._name,
                Key=_raw_key(key),
                ConsistentRead=True,
            )
        return _stored(answer.get("Item", {}))

    def get_many(self, keys: Iterable[ItemKey]) -> dict[ItemKey, Stored]:
        """Return the items there are. What DynamoDB leaves over is asked for again."""
        found: dict[ItemKey, Stored] = {}

        def get_batch(keys: list[ItemKey]) -> list[ItemKey]:
            items, left_over = self._get_batch([_raw_key(key) for key in keys])
            found.update((_key_of(item), _stored(item)) for item in items)
            return [_key_of(key) for key in left_over]

        in_batches(dict.fromkeys(keys), _BATCH, get_batch, "the state was not read")
        return found

    def _get_batch(self, keys: list[Any]) -> tuple[list[Any], list[Any]]:
        with unavailable("the state was not read"):
            answer = self._client.batch_get_item(
                RequestItems={self._name: {"Keys": keys, "ConsistentRead": True}}
            )
        left_over: Any = answer["UnprocessedKeys"].get(self._name, {})
        return answer["Responses"].get(self._name, []), left_over.get("Keys", [])

    def under(self, prefix: ItemKey) -> list[tuple[ItemKey, Stored]]:
        """Return every item of a partition whose sort key starts so, in its order."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": prefix.pk}, ":prefix": {"S": prefix.sk}},
            ConsistentRead=True,
        )
        with unavailable("the state was not read"):
            items: list[Any] = [item for page in pages for item in page["Items"]]
        return [(_key_of(one), _stored(one)) for one in items]

    def page(self, after: ItemKey, limit: int) -> list[ItemKey]:
        """Return the keys of a partition's next items behind one sort key, empty for the first."""
        with unavailable("the state was not read"):
            answer = self._client.query(
                TableName=self._name,
                KeyConditionExpression="pk = :pk AND sk > :after",
                # no sort key is empty, and none may be compared with an empty one
                ExpressionAttributeValues={
                    ":pk": {"S": after.pk},
                    ":after": {"S": after.sk or " "},
                },
                ProjectionExpression="pk, sk",
                ConsistentRead=True,
                Limit=limit,
            )
        return [_key_of(one) for one in answer["Items"]]

    def delete(self, key: ItemKey) -> None:
        """Remove the item, if it is there."""
        with unavailable("the state was not written"):
            self._client.delete_item(TableName=self._name, Key=_raw_key(key))

    def listed(
        self, group: str, *, after: str | None = None, up_to: str | None = None, limit: int = 100
    ) -> list[tuple[str, ItemKey]]:
        """Return rank and key of a group's items by rank: after one rank, up to another.

        The index lags a little behind the items: read those that are to be acted on.
        """
        bounds = {":group": group, ":after": after or " ", ":up_to": up_to or "\U0010ffff"}
        if bounds[":up_to"] <= bounds[":after"]:
            return []
        with unavailable("the state was not read"):
            answer = self._client.query(
                TableName=self._name,
                IndexName=INDEX,
                # BETWEEN counts both ends in; one more than asked for makes up for the first
                KeyConditionExpression="gsi1pk = :group AND gsi1sk BETWEEN :after AND :up_to",
                ExpressionAttributeValues={name: {"S": text} for name, text in bounds.items()},
                Limit=limit + 1,
            )
        keys: list[Any] = answer["Items"]
        found = [(one["gsi1sk"]["S"], _key_of(one)) for one in keys]
        return [one for one in found if one[0] != after][:limit]

    def latest(
        self, group: str, *, before: str | None = None, limit: int = 100
    ) -> list[tuple[str, ItemKey]]:
        """Return rank and key of a group's items, the highest rank first: below one, if given.

        The index lags a little behind the items: read those that are to be acted on.
        """
        condition, values = "gsi1pk = :group", {":group": {"S": group}}
        if before is not None:
            condition += " AND gsi1sk < :before"
            values[":before"] = {"S": before}
        with unavailable("the state was not read"):
            answer = self._client.query(
                TableName=self._name,
                IndexName=INDEX,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ScanIndexForward=False,
                Limit=limit,
            )
        keys: list[Any] = answer["Items"]
        return [(one["gsi1sk"]["S"], _key_of(one)) for one in keys]

    def count(self, group: str) -> int:
        """Return how many items the index lists in a group; it lags a little behind them."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName=INDEX,
            KeyConditionExpression="gsi1pk = :group",
            ExpressionAttributeValues={":group": {"S": group}},
            Select="COUNT",
        )
        with unavailable("the state was not read"):
            return sum(page["Count"] for page in pages)

    def put(
        self,
        key: ItemKey,
        attributes: Mapping[str, Any],
        version: int,
        listed: Listed | None = None,
    ) -> bool:
        """Replace the item if it still has the version that was read. Tells whether it had.

        Raises NeverProjected for an item that DynamoDB will never take.
        """
        try:
            self._client.put_item(**self._put(key, attributes, version, listed))
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError) as error:
            if _code(error) == "ValidationException":  # such as an item over 400 KB
                raise NeverProjected(f"DynamoDB refuses the item: {error}") from error
            raise Unavailable(f"the state was not written: {error}") from error
        return True

    def put_while(
        self,
        guard: ItemKey,
        guard_version: int,
        puts: Iterable[tuple[ItemKey, Mapping[str, Any], int]],
    ) -> bool:
        """Replace items as `put` does, all or none, while another item has a version.

        At most 99. Tells whether it was so; when not, no item was changed, and of the guard and
        the items at least one had another version.
        """
        check: Any = {
            "TableName": self._name,
            "Key": _raw_key(guard),
            **_unchanged_since_read(guard_version),
        }
        writes: list[Any] = [{"Put": self._put(*one)} for one in puts]
        for _ in range(_CONFLICT_TRIES):
            try:
                self._client.transact_write_items(
                    TransactItems=[{"ConditionCheck": check}, *writes]
                )
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = {one.get("Code") for one in error.response["CancellationReasons"]}
                if "ConditionalCheckFailed" in reasons:
                    return False
                if reasons <= {"None", "TransactionConflict"}:
                    continue  # others check the same guard at this moment: each takes milliseconds
                raise Unavailable(f"the state was not written: {error}") from error
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"the state was not written: {error}") from error
            return True
        raise Unavailable("the state was not written: other transactions kept coming first")

    def _put(
        self,
        key: ItemKey,
        attributes: Mapping[str, Any],
        version: int,
        listed: Listed | None = None,
    ) -> Any:
        item = {**key._asdict(), **attributes, "version": version + 1}
        if listed is not None:
            item |= {"gsi1pk": listed.group, "gsi1sk": listed.rank}
        return {
            "TableName": self._name,
            "Item": {name: _serialize(value) for name, value in item.items() if value is not None},
            **_unchanged_since_read(version),
        }


def _unchanged_since_read(version: int) -> dict[str, Any]:
    if not version:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "version = :read",
        "ExpressionAttributeValues": {":read": {"N": str(version)}},
    }


def _code(error: Exception) -> str:
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""


def _raw_key(key: ItemKey) -> Any:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _key_of(raw: Mapping[str, Any]) -> ItemKey:
    return ItemKey(raw["pk"]["S"], raw["sk"]["S"])


def _stored(raw: Mapping[str, Any]) -> Stored:
    item = {name: _deserialize(value) for name, value in raw.items()}
    said = item.get("version", 0)
    version = int(said) if isinstance(said, Decimal) else 0  # the hub has written nothing else
    return Stored({n: v for n, v in item.items() if n not in _KEY_NAMES}, version)
