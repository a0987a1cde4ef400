"""The consent ledger: a table of its own that is only ever appended to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from codat_hub.companies.domain.consent import Consent, ConsentEntry
from codat_hub.errors import Unavailable
from codat_hub.storage.items import moment_or_none, spell, spell_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class ConsentLedger:
    """Items: `pk` company id, `sk` `{product}#{number}` with the number in eight digits, so that

    the order does not hang on clocks; `product`, `number`, `granted_at`, `granted_by`,
    `text_version`, `data_types`, `revoked_at`, `by`, `reason`. Reads are consistent.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def newest(self, company_id: str, product: str) -> ConsentEntry | None:
        """Return what counts now; None if nothing was ever recorded. Raises Unavailable."""
        found = self._query(company_id, f"{product}#", ScanIndexForward=False, Limit=1)
        return found[0] if found else None

    def entries(self, company_id: str) -> list[ConsentEntry]:
        """Return all of one company, by product, the oldest first. Raises Unavailable."""
        return self._query(company_id, "")

    def append(self, company_id: str, entry: ConsentEntry) -> bool:
        """Write the entry unless there is one of its number. Tells whether it was written.

        Raises Unavailable.
        """
        item = {"pk": company_id, "sk": f"{entry.consent.product}#{entry.number:08d}"}
        filled = {name: value for name, value in _item(entry).items() if value is not None}
        no_such_number_yet = "attribute_not_exists(pk)"
        try:
            self._client.put_item(
                TableName=self._name,
                Item={name: _serialize(value) for name, value in (item | filled).items()},
                ConditionExpression=no_such_number_yet,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the consent was not recorded: {error}") from error
        return True

    def _query(self, company_id: str, prefix: str, **options: Any) -> list[ConsentEntry]:
        condition, values = "pk = :company", {":company": {"S": company_id}}
        if prefix:
            condition += " AND begins_with(sk, :prefix)"
            values[":prefix"] = {"S": prefix}
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
            **options,
        }
        items: list[Mapping[str, Any]] = []
        try:
            while True:
                answer = self._client.query(**request)
                items += answer["Items"]
                if "Limit" in options or "LastEvaluatedKey" not in answer:
                    break
                request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the consents were not read: {error}") from error
        return [_entry({name: _deserialize(value) for name, value in one.items()}) for one in items]


def _item(entry: ConsentEntry) -> dict[str, Any]:
    consent = entry.consent
    return {
        "product": consent.product,
        "number": entry.number,
        "granted_at": spell(consent.granted_at),
        "granted_by": consent.granted_by,
        "text_version": consent.text_version,
        "data_types": list(consent.data_types),
        "revoked_at": spell_or_none(consent.revoked_at),
        "by": entry.by,
        "reason": entry.reason,
    }


def _entry(item: Mapping[str, Any]) -> ConsentEntry:
    return ConsentEntry(
        number=int(item["number"]),
        consent=Consent(
            product=item["product"],
            granted_at=datetime.fromisoformat(item["granted_at"]),
            granted_by=item["granted_by"],
            text_version=item["text_version"],
            data_types=tuple(item["data_types"]),
            revoked_at=moment_or_none(item.get("revoked_at")),
        ),
        by=item["by"],
        reason=item.get("reason"),
    )
