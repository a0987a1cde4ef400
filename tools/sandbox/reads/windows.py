"""From when on is a read's data new: `modifiedFromDate` (docs/codat.md, C46)."""

from collections.abc import Iterable
from datetime import datetime

from tools.sandbox.world.model import ANYONE, Company, Dataset


def bounds(
    company: Company, product: str | None, keys: Iterable[str]
) -> dict[str, datetime | None]:
    """Per dataset key, from when on its data is new to this product; None means all of it.

    Custom products are aligned to their own previous sync, whoever else fetched meanwhile;
    plain reads (None) to the last fetch into the cache.
    """
    return {key: _bound(company, product or ANYONE, key) for key in keys}


def oldest(among: Iterable[datetime | None]) -> datetime | None:
    """The one date that stands for several data types: none of them may lose anything."""
    every = list(among)
    known = [bound for bound in every if bound is not None]
    return min(known) if known and len(known) == len(every) else None


def remember(company: Company, product: str | None, dataset: Dataset) -> None:
    """A fetch ended Complete: the next window of this product starts where this one did.

    At the start, not the end: what another read writes in between is then in both windows.
    """
    for reader in {product or ANYONE, ANYONE}:
        marks = company.marks.setdefault(reader, {})
        marks[dataset.key] = max(marks.get(dataset.key, dataset.requested), dataset.requested)


def forget_product(company: Company, product: str) -> None:
    """The product is removed: added again, it starts with everything."""
    company.marks.pop(product, None)


def forget_connection(company: Company, connection_id: str) -> None:
    """The connection is deleted with its data."""
    for marks in company.marks.values():
        for key in [key for key in marks if key.startswith(f"{connection_id}|")]:
            del marks[key]


def _bound(company: Company, reader: str, key: str) -> datetime | None:
    if mark := company.marks.get(reader, {}).get(key):
        return mark
    if key in company.marks.get(ANYONE, {}):
        return None  # others fetched before this product came: all of that is new to it
    connection = company.connections.get(key.partition("|")[0])
    return connection.linked if connection else None
