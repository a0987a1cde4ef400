"""The company directory in the State table: one item per company."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.storage.items import (
    Listed,
    company_key,
    moment_or_none,
    shard_of,
    spell,
    spell_or_none,
)
from codat_hub.storage.reading import read, read_each, spelt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.storage.found import Found
    from codat_hub.storage.items import ItemKey, Stored
    from codat_hub.storage.state_table import StateTable


class Companies:
    """Items: `company_id`, `name`, `named`, `products`, `listed`, `deleted_at`,

    `connections`: id -> `{status, integration, source_type, stamp}`,
    `removed_connections`, `removed_products`: id -> time. Stamps are `[time, Codat event id]`.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, company_id: str) -> tuple[Company, int]:
        """Return the entry and its version; an unknown company's is empty, with version 0.

        Raises Unreadable.
        """
        key = _key(company_id)
        stored = self._table.get(key)
        return read(spelt(key), _company, company_id, stored), stored.version

    def put(self, company: Company, version: int) -> bool:
        """Write over the version that was read. Tells whether it was still that one."""
        listed = Listed(f"COMPANIES#{shard_of(company.company_id)}", company.company_id)
        return self._table.put(_key(company.company_id), _item(company), version, listed)

    def get_many(self, company_ids: Iterable[str]) -> Found[str, Company]:
        """Return the entries there are."""
        keys = {_key(one): one for one in company_ids}
        return read_each(keys, self._table.get_many(keys), _company)

    def ids(self, shard: int, after: str | None = None, limit: int = 100) -> list[str]:
        """Return company ids of one shard, in order, after the one given."""
        found = self._table.listed(f"COMPANIES#{shard}", after=after, limit=limit)
        return [rank for rank, _ in found]


def _key(company_id: str) -> ItemKey:
    return company_key(company_id, "DIRECTORY")


def _item(company: Company) -> dict[str, Any]:
    return {
        "company_id": company.company_id,
        "name": company.name,
        "named": _spell_stamp(company.named),
        "products": list(company.products),
        "listed": _spell_stamp(company.listed),
        "deleted_at": spell_or_none(company.deleted_at),
        "connections": {
            connection_id: {
                "status": one.status,
                "integration": one.integration,
                "source_type": one.source_type,
                "stamp": _spell_stamp(one.stamp),
            }
            for connection_id, one in company.connections.items()
        },
        "removed_connections": _spell_times(company.removed_connections),
        "removed_products": _spell_times(company.removed_products),
    }


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
                _stamp(one["stamp"]), one["status"], one["integration"], one["source_type"]
            )
            for connection_id, one in item.get("connections", {}).items()
        },
        removed_connections=_times(item.get("removed_connections", {})),
        removed_products=_times(item.get("removed_products", {})),
    )


def _spell_stamp(stamp: Stamp | None) -> list[str] | None:
    return None if stamp is None else [spell(stamp.at), stamp.event_id]


def _stamp(spelt: list[str]) -> Stamp:
    return Stamp(datetime.fromisoformat(spelt[0]), spelt[1])


def _stamp_or_none(spelt: list[str] | None) -> Stamp | None:
    return None if spelt is None else _stamp(spelt)


def _spell_times(times: Mapping[str, datetime]) -> dict[str, str]:
    return {name: spell(at) for name, at in times.items()}


def _times(spelt: Mapping[str, str]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(at) for name, at in spelt.items()}
