"""Which product of which company was read when, and what is late by its own cadence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.companies.domain.assignment import Status
from codat_hub.companies.domain.company import Company
from codat_hub.product_events.domain.freshness import Freshness, freshness
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.products.domain.product import Kind
from codat_hub.storage.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.products.domain.product import Product
    from codat_hub.storage.found import Found

_PAGE: Final = 50  # companies read at once
_LOOKED_AT: Final = 500  # companies one request looks through at most, whatever it finds


class Directory(Protocol):
    def get_many(self, company_ids: Iterable[str]) -> Found[str, Company]: ...
    def ids(self, shard: int, after: str | None = None, limit: int = 100) -> Sequence[str]: ...


class Assignments(Protocol):
    def get_many(
        self, pairs: Iterable[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Assignment]: ...
    def of_company(self, company_id: str) -> Sequence[Assignment]: ...
    def companies_with(
        self, product: str, shard: int, after: str | None = None, limit: int = 100
    ) -> Sequence[str]: ...


class ReadStates(Protocol):
    def get_many(
        self, pairs: Iterable[tuple[str, str | None]]
    ) -> Found[tuple[str, str | None], ReadState]: ...


class ProductRegistry(Protocol):
    def products(self) -> Mapping[str, Product]: ...


@dataclass(frozen=True, slots=True)
class FreshnessPage:
    """`following`: where the next page begins; None: this was the last."""

    rows: tuple[Freshness, ...]
    following: Cursor | None


@dataclass(frozen=True)
class MeasureFreshness:
    """A page at a time, over the index; nothing is scanned, Codat is not asked.

    All products of a company come on one page. What cannot be read has no row, for it would be a
    wrong one: it is in the log, and on an alarm. Raises Unavailable.
    """

    directory: Directory
    assignments: Assignments
    read_states: ReadStates
    registry: ProductRegistry
    shards: int
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def of_company(self, company_id: str, product: str | None = None) -> list[Freshness]:
        held = self.assignments.of_company(company_id)
        return self._measured([one for one in held if product in {None, one.product}])

    def page(
        self, product: str | None, start: Cursor, limit: int, *, overdue: bool = False
    ) -> FreshnessPage:
        """Return `limit` rows from a place on, or a little more; fewer need not be all there are.

        overdue: only those that are
        """
        found: list[Freshness] = []
        shard, after, looked_at = start.shard, start.after, 0
        while shard < self.shards and looked_at < _LOOKED_AT and len(found) < limit:
            ids = self._ids(product, shard, after, min(_PAGE, limit))
            rows = self._measured(self._held(ids, product))
            for company_id in ids:
                found += [
                    one
                    for one in rows
                    if one.company_id == company_id and (one.overdue or not overdue)
                ]
                after = company_id
                looked_at += 1
                if len(found) >= limit:
                    return FreshnessPage(tuple(found), Cursor(shard, after))
            if len(ids) < min(_PAGE, limit):
                shard, after = shard + 1, None
        return FreshnessPage(tuple(found), Cursor(shard, after) if shard < self.shards else None)

    def _ids(self, product: str | None, shard: int, after: str | None, limit: int) -> Sequence[str]:
        if product is None:
            return self.directory.ids(shard, after, limit)
        return self.assignments.companies_with(product, shard, after, limit)

    def _held(self, ids: Iterable[str], product: str | None) -> list[Assignment]:
        products = self.registry.products() if product is None else [product]
        pairs = [(company_id, name) for company_id in ids for name in products]
        held = self.assignments.get_many(pairs)
        return [held[pair] for pair in pairs if pair in held]

    def _measured(self, held: Iterable[Assignment]) -> list[Freshness]:
        present = [one for one in held if one.status is not Status.ABSENT]
        products = self.registry.products()
        companies = self.directory.get_many({one.company_id for one in present})
        states = self.read_states.get_many({_reads(one, products) for one in present})
        return [
            freshness(
                one,
                companies.get(one.company_id, Company(one.company_id)),
                products.get(one.product),
                states.get(_reads(one, products), ReadState()),
                self.now(),
            )
            for one in present
            if one.company_id not in companies.unreadable
            and _reads(one, products) not in states.unreadable
        ]


def _reads(assignment: Assignment, products: Mapping[str, Product]) -> tuple[str, str | None]:
    """Return whose reads tell of it: Codat reads standard products together, as plain reads."""
    product = products.get(assignment.product)
    standard = product is not None and product.kind is Kind.STANDARD
    return assignment.company_id, None if standard else assignment.product
