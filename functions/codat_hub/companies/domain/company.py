"""A company's entry in the directory, kept from Codat's events in any order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from codat_hub.companies.domain.product_changes import ProductTimes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from codat_hub.codat.domain.stamp import Stamp

# Of more, the hub forgets those whose last event is the oldest. Codat allows few
# (docs/codat.md, C61).
MAX_CONNECTIONS: Final = 200
PENDING: Final = "PendingAuth"
LINKED: Final = "Linked"
DELETED: Final = "Deleted"  # Codat's event has the last status (docs/codat.md, C30)


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection: `status` is Codat's or `Deleted`, `integration` a key such as `gbol`."""

    stamp: Stamp
    status: str
    integration: str | None = None
    source_type: str | None = None


@dataclass(frozen=True, slots=True)
class CompanyChange:
    """The content of a company.*, connection.* or company.product.* event; None: not in it."""

    company_id: str
    stamp: Stamp
    name: str | None = None
    products: tuple[str, ...] | None = None  # the whole list after the event
    deleted: bool = False
    removed_product: str | None = None
    added_product: str | None = None
    connection_id: str | None = None
    connection: Connection | None = None
    connection_removed: bool = False


@dataclass(frozen=True, slots=True)
class Company:
    """A company.

    named, listed: the events that the name and the products come from
    removed_connections, removed_products: id -> its newest removal
    added_products: id -> its newest addition
    """

    company_id: str
    name: str | None = None
    named: Stamp | None = None
    products: tuple[str, ...] = ()
    listed: Stamp | None = None
    deleted_at: datetime | None = None
    connections: Mapping[str, Connection] = field(default_factory=dict)
    removed_connections: Mapping[str, datetime] = field(default_factory=dict)
    removed_products: Mapping[str, datetime] = field(default_factory=dict)
    added_products: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def linked(self) -> bool:
        """Tell whether a connection is linked; Codat reads no other (docs/codat.md, C61)."""
        gone = self.deleted_at is not None
        return not gone and any(known.status == LINKED for known in self.connections.values())

    def changes(self, product: str) -> ProductTimes:
        """Return the newest changes of a product, as Codat and reconcile reported them."""
        removed, added = self.removed_products.get(product), self.added_products.get(product)
        seen = self.listed.at if self.listed is not None and product in self.products else None
        return ProductTimes(_known(removed), _known(added), _known(seen))

    def integration(self, connection_id: str) -> str:
        """Return the key of a connection's integration, or `unknown`."""
        known = self.connections.get(connection_id)
        return (known and known.integration) or "unknown"


def apply(company: Company, change: CompanyChange) -> Company:
    """Return the company with the newer parts of a change: newer by Codat's time, then event id."""
    stamp = change.stamp
    if change.name is not None and _newer(stamp, company.named):
        company = replace(company, name=change.name, named=stamp)
    if change.products is not None and _newer(stamp, company.listed):
        company = replace(company, products=tuple(sorted(change.products)), listed=stamp)
    if change.deleted:
        company = replace(company, deleted_at=max(company.deleted_at or stamp.at, stamp.at))
    if change.removed_product is not None:
        removed = _later(company.removed_products, change.removed_product, stamp.at)
        company = replace(company, removed_products=removed)
    if change.added_product is not None:
        added = _later(company.added_products, change.added_product, stamp.at)
        company = replace(company, added_products=added)
    if change.connection_id is not None and change.connection is not None:
        company = _connect(company, change.connection_id, change.connection)
        if change.connection_removed:
            removed = _later(company.removed_connections, change.connection_id, stamp.at)
            company = replace(company, removed_connections=removed)
    return _bounded(company)


def _connect(company: Company, connection_id: str, connection: Connection) -> Company:
    known = company.connections.get(connection_id)
    if known is not None and _order(connection) <= _order(known):
        return company
    return replace(company, connections={**company.connections, connection_id: connection})


def _order(connection: Connection) -> tuple[datetime, bool, str]:
    # PendingAuth is always the first status, so of two events of one instant it is the older.
    return connection.stamp.at, connection.status != PENDING, connection.stamp.event_id


def _newer(stamp: Stamp, known: Stamp | None) -> bool:
    return known is None or stamp > known


def _known(time: datetime | None) -> tuple[datetime, ...]:
    return () if time is None else (time,)


def _later(times: Mapping[str, datetime], name: str, at: datetime) -> dict[str, datetime]:
    return {**times, name: max(at, times.get(name, at))}


def _bounded(company: Company) -> Company:
    if len(company.connections) <= MAX_CONNECTIONS:
        return company
    newest = sorted(company.connections.items(), key=lambda item: (item[1].stamp, item[0]))
    kept = dict(newest[-MAX_CONNECTIONS:])
    removed = {name: at for name, at in company.removed_connections.items() if name in kept}
    return replace(company, connections=kept, removed_connections=removed)
