"""The company directory, in the State table: one item for each company."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.storage.items import Listed, attributes, company_key, moment_or_none, shard_of
from codat_hub.storage.reading import key_text, read, read_each

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.storage.found import Found
    from codat_hub.storage.items import ItemKey, Stored
    from codat_hub.storage.state_table import StateTable


class CompanyStore:
    """The directory in the State table.

    The items: `company_id`, `name`, `named`, `products`, `listed`, `deleted_at`, `connections`:
    id -> `{status, integration, source_type, stamp}`, `removed_connections`,
    `removed_products` and `added_products`: id -> time. A stamp is `[time, id of Codat's event]`.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, company_id: str) -> tuple[Company, int]:
        """Return a company's entry and its version; an unknown one is empty, of version 0.

        Raises Unreadable.
        """
        key = _key(company_id)
        stored = self._table.get(key)
        return read(key_text(key), _company, company_id, stored), stored.version

    def put(self, company: Company, version: int) -> bool:
        """Write over the version that was read; tell whether it was still that one."""
        listed = Listed(f"COMPANIES#{shard_of(company.company_id)}", company.company_id)
        item = attributes(company)
        item["added_products"] = item["added_products"] or None
        return self._table.put(_key(company.company_id), item, version, listed)

    def get_many(self, company_ids: Iterable[str]) -> Found[str, Company]:
        """Return the entries of the known companies."""
        keys = {_key(company_id): company_id for company_id in company_ids}
        return read_each(keys, self._table.get_many(keys), _company)

    def ids(self, shard: int, after: str | None = None, limit: int = 100) -> list[str]:
        """Return company ids of one shard, in order, after the given id."""
        found = self._table.listed(f"COMPANIES#{shard}", after=after, limit=limit)
        return [rank for rank, _ in found]


def _key(company_id: str) -> ItemKey:
    return company_key(company_id, "DIRECTORY")


def _company(company_id: str, stored: Stored) -> Company:
    item = stored.attributes
    return Company(
        company_id=company_id,
        name=item.get("name"),
        named=_stamp_or_none(item.get("named")),
        products=tuple(item.get("products", ())),
        listed=_stamp_or_none(item.get("listed")),
        deleted_at=moment_or_none(item.get("deleted_at")),
        connections={
            connection_id: Connection(
                _stamp(raw["stamp"]), raw["status"], raw["integration"], raw["source_type"]
            )
            for connection_id, raw in item.get("connections", {}).items()
        },
        removed_connections=_times(item.get("removed_connections", {})),
        removed_products=_times(item.get("removed_products", {})),
        added_products=_times(item.get("added_products", {})),
    )


def _stamp(parts: list[str]) -> Stamp:
    return Stamp(datetime.fromisoformat(parts[0]), parts[1])


def _stamp_or_none(parts: list[str] | None) -> Stamp | None:
    return None if parts is None else _stamp(parts)


def _times(texts: Mapping[str, str]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(at) for name, at in texts.items()}
