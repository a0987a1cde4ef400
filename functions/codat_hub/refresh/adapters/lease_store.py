"""Company leases: one item each of the State table, below their company."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codat_hub.refresh.domain.lease import Lease
from codat_hub.storage.items import ItemKey, attributes, company_key, moment_or_none
from codat_hub.storage.reading import key_text, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_LEASE: Final = "REFRESH#LEASE"


class LeaseStore:
    """Each item has the fields of domain/lease.py.

    per_product: one refresh at a time of a company's product, instead of the company
    """

    def __init__(self, table: StateTable, *, per_product: bool = False) -> None:
        self._table = table
        self._per_product = per_product

    def get(self, company_id: str, product: str | None) -> tuple[Lease, int]:
        """Return the lease that a refresh of the product needs, and its version."""
        key = self._key(company_id, product)
        stored = self._table.get(key)
        return read(key_text(key), _lease, stored.attributes), stored.version

    def put(self, company_id: str, product: str | None, lease: Lease, version: int) -> bool:
        """Write over the version that was read, and tell whether it was still that one."""
        return self._table.put(self._key(company_id, product), attributes(lease), version)

    def _key(self, company_id: str, product: str | None) -> ItemKey:
        return company_key(company_id, f"{_LEASE}#{product or ''}" if self._per_product else _LEASE)


def _lease(item: Mapping[str, Any]) -> Lease:
    return Lease(
        item.get("holder"),
        moment_or_none(item.get("taken_at")),
        moment_or_none(item.get("until")),
        int(item.get("reads", 0)),
    )
