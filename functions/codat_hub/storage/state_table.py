"""The State table: one table of versioned items. `items.py` lists their kinds."""

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
_BATCH: Final = 100  # the limit of BatchGetItem
_CONFLICT_TRIES: Final = 8
_serialize: Final = TypeSerializer().serialize
_deserialize: Final = TypeDeserializer().deserialize


class StateTable:
    """The table; reads of items are consistent. Every method raises Unavailable."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: ItemKey) -> Stored:
        """Return an item; an absent one is empty, with version 0."""
        with unavailable("the state was not read"):
            answer = self._client.get_item(
                TableName=self._name,
                Key=_raw_key(key),
                ConsistentRead=True,
            )
        return _stored(answer.get("Item", {}))

    def get_many(self, keys: Iterable[ItemKey]) -> dict[ItemKey, Stored]:
        """Return the items that exist, in no order."""
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
        """Return the items of a partition whose sort key starts with `prefix.sk`, in its order."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": prefix.pk}, ":prefix": {"S": prefix.sk}},
            ConsistentRead=True,
        )
        with unavailable("the state was not read"):
            items: list[Any] = [item for page in pages for item in page["Items"]]
        return [(_key_of(item), _stored(item)) for item in items]

    def page(self, after: ItemKey, limit: int) -> list[ItemKey]:
        """Return the next keys of a partition after a sort key; an empty one: from the start."""
        with unavailable("the state was not read"):
            answer = self._client.query(
                TableName=self._name,
                KeyConditionExpression="pk = :pk AND sk > :after",
                # DynamoDB compares with no empty sort key, and a blank is before every one in use.
                ExpressionAttributeValues={
                    ":pk": {"S": after.pk},
                    ":after": {"S": after.sk or " "},
                },
                ProjectionExpression="pk, sk",
                ConsistentRead=True,
                Limit=limit,
            )
        return [_key_of(item) for item in answer["Items"]]

    def delete(self, key: ItemKey) -> None:
        """Remove the item, if it exists."""
        with unavailable("the state was not written"):
            self._client.delete_item(TableName=self._name, Key=_raw_key(key))

    def listed(
        self, group: str, *, after: str | None = None, up_to: str | None = None, limit: int = 100
    ) -> list[tuple[str, ItemKey]]:
        """Return rank and key of a group's items by rank.

        after: only higher ranks
        up_to: no higher rank than this

        The index lags a little: read an item before acting on it.
        """
        bounds = {":group": group, ":after": after or " ", ":up_to": up_to or "\U0010ffff"}
        if bounds[":up_to"] <= bounds[":after"]:
            return []
        with unavailable("the state was not read"):
            answer = self._client.query(
                TableName=self._name,
                IndexName=INDEX,
                # BETWEEN includes both ends; the extra item replaces the one at `after`.
                KeyConditionExpression="gsi1pk = :group AND gsi1sk BETWEEN :after AND :up_to",
                ExpressionAttributeValues={name: {"S": text} for name, text in bounds.items()},
                Limit=limit + 1,
            )
        return [place for place in _places(answer["Items"]) if place[0] != after][:limit]

    def latest(
        self, group: str, *, before: str | None = None, limit: int = 100
    ) -> list[tuple[str, ItemKey]]:
        """Return rank and key of a group's items, the highest rank first.

        before: only lower ranks

        The index lags a little: read an item before acting on it.
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
        return _places(answer["Items"])

    def put(
        self,
        key: ItemKey,
        attributes: Mapping[str, Any],
        version: int,
        listed: Listed | None = None,
    ) -> bool:
        """Replace the item if it still has this version; tell whether it had.

        version: the one that was read; 0: the item must not exist
        listed: its place in the index; None: it is not listed

        Raises NeverProjected for an item that DynamoDB refuses, such as one over 400 KB.
        """
        try:
            self._client.put_item(**self._put(key, attributes, version, listed))
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError) as error:
            if _code(error) == "ValidationException":
                raise NeverProjected(f"DynamoDB refuses the item: {error}") from error
            raise Unavailable(f"the state was not written: {error}") from error
        return True

    def put_while(
        self,
        guard: ItemKey,
        guard_version: int,
        puts: Iterable[tuple[ItemKey, Mapping[str, Any], int]],
    ) -> bool:
        """Replace all items or none, if they and a guard item still have their versions.

        puts: key, attributes and version as in `put`, at most 99

        Returns False when the guard or an item had another version: then nothing was changed.
        """
        check: Any = {
            "TableName": self._name,
            "Key": _raw_key(guard),
            **_unchanged_since_read(guard_version),
        }
        writes: list[Any] = [{"Put": self._put(*put)} for put in puts]
        # No `update`: there is nothing to decide, the same transaction is sent again.
        for _ in range(_CONFLICT_TRIES):
            try:
                self._client.transact_write_items(
                    TransactItems=[{"ConditionCheck": check}, *writes]
                )
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = {why.get("Code") for why in error.response["CancellationReasons"]}
                if "ConditionalCheckFailed" in reasons:
                    return False
                if reasons <= {"None", "TransactionConflict"}:
                    continue  # Another transaction checks the guard now, for some milliseconds.
                raise Unavailable(f"the state was not written: {error}") from error
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"the state was not written: {error}") from error
            return True
        raise Unavailable("the state was not written: other transactions keep coming first")

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


def _places(items: Iterable[Any]) -> list[tuple[str, ItemKey]]:
    return [(item["gsi1sk"]["S"], _key_of(item)) for item in items]


def _stored(raw: Mapping[str, Any]) -> Stored:
    item = {name: _deserialize(value) for name, value in raw.items()}
    number = item.get("version", 0)
    version = int(number) if isinstance(number, Decimal) else 0  # the hub writes numbers only
    attributes = {name: value for name, value in item.items() if name not in _KEY_NAMES}
    return Stored(attributes, version)
