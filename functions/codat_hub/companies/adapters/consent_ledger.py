"""The consent ledger: a table of its own, which is only appended to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from codat_hub.companies.domain.consent import Consent, ConsentEntry
from codat_hub.storage.aws import unavailable
from codat_hub.storage.items import moment_or_none, spell, spell_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class ConsentLedger:
    """The ledger; reads are consistent. Every method raises Unavailable.

    The items: `pk` is the company id, `sk` is `{product}#{number}` with eight digits, so that the
    order does not depend on clocks; `product`, `number`, `granted_at`, `granted_by`,
    `text_version`, `data_types`, `revoked_at`, `by`, `reason`.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def newest(self, company_id: str, product: str) -> ConsentEntry | None:
        """Return the newest entry, which is the valid one; None if there is none."""
        found = self._query(company_id, f"{product}#", ScanIndexForward=False, Limit=1)
        return found[0] if found else None

    def entries(self, company_id: str) -> list[ConsentEntry]:
        """Return a company's entries, by product, the oldest first."""
        return self._query(company_id, "")

    def append(self, company_id: str, entry: ConsentEntry) -> bool:
        """Write the entry, unless its number is taken; tell whether it was written."""
        item = {"pk": company_id, "sk": f"{entry.consent.product}#{entry.number:08d}"}
        filled = {name: value for name, value in _item(entry).items() if value is not None}
        number_is_free = "attribute_not_exists(pk)"
        with unavailable("the consent was not recorded"):
            try:
                self._client.put_item(
                    TableName=self._name,
                    Item={name: _serialize(value) for name, value in (item | filled).items()},
                    ConditionExpression=number_is_free,
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
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
        with unavailable("the consents were not read"):
            while True:
                answer = self._client.query(**request)
                items += answer["Items"]
                if "Limit" in options or "LastEvaluatedKey" not in answer:
                    break
                request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return [_entry({name: _deserialize(raw) for name, raw in item.items()}) for item in items]


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
