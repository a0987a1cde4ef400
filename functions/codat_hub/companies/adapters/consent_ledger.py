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
        condition = "pk = :company AND begins_with(sk, :prefix)"
        values = {":prefix": {"S": f"{product}#"}}
        found = self._query(company_id, condition, values, 1, newest_first=True)
        return found[0] if found else None

    def newest_of_each(self, company_id: str) -> list[ConsentEntry]:
        """Return a company's newest entry of each product, by product; it costs a read each."""
        found: list[ConsentEntry] = []
        page = self._query(company_id, "pk = :company", {}, 1, newest_first=True)
        while page:
            found.append(page[0])
            values = {":before": {"S": f"{page[0].consent.product}#"}}
            condition = "pk = :company AND sk < :before"
            page = self._query(company_id, condition, values, 1, newest_first=True)
        return found[::-1]

    def entries(
        self, company_id: str, after: tuple[str, int] | None = None, limit: int = 1000
    ) -> list[ConsentEntry]:
        """Return up to `limit` of a company's entries, by product, the oldest first.

        after: product and number of an entry; only those behind it
        """
        if after is None:
            return self._query(company_id, "pk = :company", {}, limit)
        condition, values = "pk = :company AND sk > :after", {":after": {"S": _sort_key(*after)}}
        return self._query(company_id, condition, values, limit)

    def append(self, company_id: str, entry: ConsentEntry) -> bool:
        """Write the entry, unless its number is taken; tell whether it was written."""
        item = {"pk": company_id, "sk": _sort_key(entry.consent.product, entry.number)}
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

    def _query(
        self,
        company_id: str,
        condition: str,
        values: Mapping[str, Any],
        limit: int,
        *,
        newest_first: bool = False,
    ) -> list[ConsentEntry]:
        """Return up to `limit` entries; an answer of DynamoDB ends at a megabyte."""
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {":company": {"S": company_id}, **values},
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
            "Limit": limit,
        }
        items: list[Mapping[str, Any]] = []
        with unavailable("the consents were not read"):
            while True:
                answer = self._client.query(**request)
                items += answer["Items"]
                if len(items) >= limit or "LastEvaluatedKey" not in answer:
                    break
                request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        found = [{name: _deserialize(raw) for name, raw in item.items()} for item in items]
        return [_entry(item) for item in found[:limit]]


def _sort_key(product: str, number: int) -> str:
    return f"{product}#{number:08d}"


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
