"""A read's window says since when its data is new (docs/codat.md, C46)."""

from collections.abc import Iterable
from datetime import datetime

from tools.sandbox.world.model import ANYONE, Company, Dataset


def bounds(
    company: Company, product: str | None, keys: Iterable[str]
) -> dict[str, datetime | None]:
    """Return, by dataset key, since when its data is new to this product; None: all of it is.

    A custom product's window starts at its own previous read, whatever else was read meanwhile;
    that of plain reads (None) starts at the last fetch into the cache.
    """
    return {key: _bound(company, product or ANYONE, key) for key in keys}


def oldest(among: Iterable[datetime | None]) -> datetime | None:
    """Return the date for several data types, so that none of them loses a change."""
    every = list(among)
    known = [bound for bound in every if bound is not None]
    return min(known) if known and len(known) == len(every) else None


def remember(company: Company, product: str | None, dataset: Dataset) -> None:
    """Start the next window of this product where this Complete fetch started.

    The start, not the end: a change that another read brings in between is then in both windows.
    """
    for reader in {product or ANYONE, ANYONE}:
        marks = company.marks.setdefault(reader, {})
        marks[dataset.key] = max(marks.get(dataset.key, dataset.requested), dataset.requested)


def forget_product(company: Company, product: str) -> None:
    """Forget a removed product, so that it starts with everything when it is added again."""
    company.marks.pop(product, None)


def forget_connection(company: Company, connection_id: str) -> None:
    """Forget a deleted connection with its data."""
    for marks in company.marks.values():
        for key in [key for key in marks if key.startswith(f"{connection_id}|")]:
            del marks[key]


def _bound(company: Company, reader: str, key: str) -> datetime | None:
    if mark := company.marks.get(reader, {}).get(key):
        return mark
    if key in company.marks.get(ANYONE, {}):
        return None  # other products fetched before this one came, and all of that is new to it
    connection = company.connections.get(key.partition("|")[0])
    return connection.linked if connection else None
