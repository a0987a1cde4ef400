"""Products on companies, in the State table: one item for each company and product."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent
from codat_hub.storage.items import (
    SHARDS,
    ItemKey,
    Listed,
    Stored,
    attributes,
    company_key,
    moment_or_none,
    shard_of,
)
from codat_hub.storage.reading import key_text, read, read_each

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codat_hub.storage.found import Found
    from codat_hub.storage.state_table import StateTable


class AssignmentStore:
    """Assignments in the State table.

    The items: `company_id`, `product`, `status`, `changed_at`, `changed_by`, `unsettled_until`,
    `added_at`, `removed_at`, `full_load_owed_at`, `consent`: `{granted_at, granted_by,
    text_version, data_types, revoked_at}`. The index lists them by product, in shards, ordered by
    company; absent ones are not listed.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, company_id: str, product: str) -> tuple[Assignment, int]:
        """Return an assignment and its version; without an item it is absent, of version 0.

        Raises Unreadable.
        """
        key = assignment_key(company_id, product)
        stored = self._table.get(key)
        return read(key_text(key), _assignment, (company_id, product), stored), stored.version

    def get_many(self, pairs: Iterable[tuple[str, str]]) -> Found[tuple[str, str], Assignment]:
        """Return the assignments that have items, of pairs of company id and product."""
        keys = {assignment_key(*pair): pair for pair in pairs}
        return read_each(keys, self._table.get_many(keys), _assignment)

    def put(self, assignment: Assignment, version: int) -> bool:
        """Write over the version that was read; tell whether it was still that one."""
        key = assignment_key(assignment.company_id, assignment.product)
        gone = assignment.status is AssignmentStatus.ABSENT
        return self._table.put(key, _item(assignment), version, None if gone else _listed(key))

    def of_company(self, company_id: str) -> list[Assignment]:
        """Return a company's assignments, absent ones too, by product. Raises Unreadable."""
        found = self._table.under(company_key(company_id, "PRODUCT#"))
        return [
            read(key_text(key), _assignment, (company_id, _product(key)), stored)
            for key, stored in found
        ]

    def readable_of(self, company_id: str) -> list[Assignment]:
        """Return the company's readable assignments, absent ones too, by product."""
        found = dict(self._table.under(company_key(company_id, "PRODUCT#")))
        keys = {key: (company_id, _product(key)) for key in found}
        return list(read_each(keys, found, _assignment).values())

    def companies_with(
        self, product: str, shard: int, after: str | None = None, limit: int = 100
    ) -> Sequence[str]:
        """Return ids of companies with the product, in order, after the given id.

        The index lags a little: read an assignment before acting on it.
        """
        keys = self._table.listed(f"PRODUCT#{product}#{shard}", after=after, limit=limit)
        return [rank for rank, _ in keys]

    def count(self, product: str, most: int) -> int:
        """Return how many companies have the product, counted up to `most`; the index lags."""
        found = 0
        for shard in range(SHARDS):
            found += len(self.companies_with(product, shard, limit=most - found))
            if found >= most:
                break
        return found


def assignment_key(company_id: str, product: str) -> ItemKey:
    """Return the key of an assignment's item."""
    return company_key(company_id, f"PRODUCT#{product}")


def _product(key: ItemKey) -> str:
    return key.sk.removeprefix("PRODUCT#")


def _listed(key: ItemKey) -> Listed:
    company_id = key.pk.removeprefix("COMPANY#")
    return Listed(f"PRODUCT#{_product(key)}#{shard_of(company_id)}", company_id)


def _item(assignment: Assignment) -> dict[str, Any]:
    item = attributes(assignment)
    if item["consent"] is not None:
        del item["consent"]["product"]
    return item


def _assignment(pair: tuple[str, str], stored: Stored) -> Assignment:
    company_id, product = pair
    item = stored.attributes
    consent = item.get("consent")
    return Assignment(
        company_id=company_id,
        product=product,
        status=AssignmentStatus(item.get("status", AssignmentStatus.ABSENT)),
        changed_at=moment_or_none(item.get("changed_at")),
        changed_by=item.get("changed_by"),
        unsettled_until=moment_or_none(item.get("unsettled_until")),
        added_at=moment_or_none(item.get("added_at")),
        removed_at=moment_or_none(item.get("removed_at")),
        full_load_owed_at=moment_or_none(item.get("full_load_owed_at")),
        consent=consent
        and Consent(
            product=product,
            granted_at=datetime.fromisoformat(consent["granted_at"]),
            granted_by=consent["granted_by"],
            text_version=consent["text_version"],
            data_types=tuple(consent["data_types"]),
            revoked_at=moment_or_none(consent.get("revoked_at")),
        ),
    )
