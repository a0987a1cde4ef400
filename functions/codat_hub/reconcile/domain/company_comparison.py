"""Compare a company in the directory with the same company in Codat's list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import DELETED, Company, CompanyChange, Connection, apply
from codat_hub.reconcile.domain.drift import Drift, DriftKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from codat_hub.companies.domain.product_changes import ProductTimes
    from codat_hub.reconcile.domain.observed import ObservedCompany, ObservedConnection

# Codat's clock dates the events and ours the lists, so an event a little older than a list may
# still be news to it.
CLOCK_MARGIN: Final = timedelta(minutes=1)
BY: Final = "reconcile"
_ON: Final = frozenset({AssignmentStatus.ADDING, AssignmentStatus.ASSIGNED})
_OFF: Final = frozenset({AssignmentStatus.REMOVING, AssignmentStatus.ABSENT})


@dataclass(frozen=True, slots=True)
class CompanyComparison:
    """The entry as Codat has it, and the drift from it; no drift: the entry is unchanged."""

    entry: Company
    drift: tuple[Drift, ...]


def seen_at(asked_at: datetime) -> Stamp:
    """Return the stamp of a list that was asked for at a time; younger news stays."""
    return Stamp(asked_at - CLOCK_MARGIN, BY)


def compare(
    ours: Company | None,
    theirs: ObservedCompany,
    asked_at: datetime,
    assignments: Iterable[Assignment] = (),
) -> CompanyComparison:
    """Take over every difference that is not younger news here. Equal fields keep their stamps.

    ours: None if the directory does not have the company
    asked_at: the time just before the call to Codat
    assignments: the hub's own, of the company; a change that they know is not counted again
    """
    stamp = seen_at(asked_at)
    before = ours or Company(theirs.company_id)
    entry = replace(before, deleted_at=None) if _listed_again(before, stamp) else before
    entry = _with_name_and_products(entry, theirs, stamp)
    known = {assignment.product: assignment for assignment in assignments}
    entry = _with_product_changes(before, entry, theirs, stamp, known)
    entry = _with_connections(entry, theirs, stamp)
    return CompanyComparison(entry, tuple(_drift(ours, before, entry, stamp)))


def _with_name_and_products(entry: Company, theirs: ObservedCompany, stamp: Stamp) -> Company:
    change = CompanyChange(entry.company_id, stamp)
    if theirs.name is not None and theirs.name != entry.name:
        change = replace(change, name=theirs.name)
    if theirs.products is not None and set(theirs.products) != set(entry.products):
        change = replace(change, products=tuple(theirs.products))
    return apply(entry, change)


def _with_product_changes(
    before: Company,
    entry: Company,
    theirs: ObservedCompany,
    stamp: Stamp,
    assignments: Mapping[str, Assignment],
) -> Company:
    """Count the removals and additions that neither the directory nor the assignment knows."""
    for product in sorted({*before.products, *(theirs.products or ())}):
        ours = assignments.get(product, Assignment(entry.company_id, product))
        off = before.changes(product).and_also(ours.changes).off_at(stamp.at)
        change = CompanyChange(entry.company_id, stamp)
        if product in before.products and product not in entry.products:
            known = ours.status in _OFF and _newer(ours, before.changes(product))
            if not off and not known:
                entry = apply(entry, replace(change, removed_product=product))
        elif product in entry.products and product in (theirs.products or ()):
            is_new = product not in before.products
            if off or (is_new and ours.status not in _ON):
                entry = apply(entry, replace(change, added_product=product))
    return entry


def _newer(ours: Assignment, known: ProductTimes) -> bool:
    """Return whether the hub changed the assignment after the directory saw the product there."""
    there = known.added + known.present
    return ours.changed_at is not None and all(ours.changed_at >= time for time in there)


def _with_connections(entry: Company, theirs: ObservedCompany, stamp: Stamp) -> Company:
    if theirs.connections is None:
        return entry
    for connection_id, seen in theirs.connections.items():
        known = entry.connections.get(connection_id)
        current = _current(known, seen, stamp)
        if current is not None and (known is None or replace(known, stamp=stamp) != current):
            change = CompanyChange(
                entry.company_id, stamp, connection_id=connection_id, connection=current
            )
            entry = apply(entry, change)
    if theirs.unread:
        return entry  # a connection that is missing here may be one that cannot be read
    for connection_id in sorted(entry.connections.keys() - theirs.connections.keys()):
        known = entry.connections[connection_id]
        # Codat's lists leave a deleted connection out (docs/codat.md, C61)
        if known.status != DELETED and stamp > known.stamp:
            change = CompanyChange(
                entry.company_id,
                stamp,
                connection_id=connection_id,
                connection=replace(known, stamp=stamp, status=DELETED),
                connection_removed=True,
            )
            entry = apply(entry, change)
    return entry


def _current(known: Connection | None, seen: ObservedConnection, stamp: Stamp) -> Connection | None:
    """Return a connection with everything that Codat tells of it; None without any status."""
    before = known or Connection(stamp, "")
    current = Connection(
        stamp,
        seen.status or before.status,
        seen.integration or before.integration,
        seen.source_type or before.source_type,
    )
    return current if current.status else None


def _listed_again(before: Company, stamp: Stamp) -> bool:
    return before.deleted_at is not None and before.deleted_at <= stamp.at


def _drift(ours: Company | None, before: Company, entry: Company, stamp: Stamp) -> list[Drift]:
    company_id = entry.company_id
    found = []
    if before.deleted_at is not None and _listed_again(before, stamp):
        text = f"deleted here at {before.deleted_at.isoformat(timespec='seconds')}"
        found.append(Drift(DriftKind.COMPANY_NOT_DELETED, text, company_id))
    if ours is None:
        text = f"{entry.name or 'unnamed'}, products {_names(entry.products)}"
        return [*found, Drift(DriftKind.COMPANY_UNKNOWN, text, company_id)]
    if before.name != entry.name:
        text = f"name {before.name!r} here, {entry.name!r} at Codat"
        found.append(Drift(DriftKind.COMPANY_OUTDATED, text, company_id, subject="name"))
    if (set(before.products), before.added_products) != (set(entry.products), entry.added_products):
        text = f"products {_names(before.products)} here, {_names(entry.products)} at Codat"
        found.append(Drift(DriftKind.COMPANY_OUTDATED, text, company_id, subject="products"))
    for connection_id, current in sorted(entry.connections.items()):
        known = before.connections.get(connection_id)
        if known != current:
            was = known.status if known else "unknown"
            text = f"{was} here, {current.status} at Codat ({current.integration or 'unknown'})"
            found.append(
                Drift(DriftKind.CONNECTION_STATUS, text, company_id, subject=connection_id)
            )
    return found


def _names(products: tuple[str, ...]) -> str:
    return ", ".join(sorted(products)) or "none"
