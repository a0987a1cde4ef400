"""Measure, for each company and product, when it was read last and whether it is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.company import Company
from codat_hub.companies.usecases.known_company import known_company
from codat_hub.product_events.domain.freshness import Freshness, freshness
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.products.domain.product import ProductKind
from codat_hub.storage.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.ports import Assignments, Companies
    from codat_hub.product_events.ports import ReadStates
    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products

_PAGE: Final = 50  # companies read at once
_MOST_COMPANIES: Final = 500  # that one request looks at, even if it finds no row


@dataclass(frozen=True, slots=True)
class FreshnessPage:
    """A page of rows; `following` is where the next page starts, None after the last page."""

    rows: tuple[Freshness, ...]
    following: Cursor | None


@dataclass(frozen=True)
class MeasureFreshness:
    """Measures freshness from stored state, without a scan of the table or a call to Codat.

    All products of a company come on one page. An item that cannot be read gets no row, because
    the row would be wrong; it is logged and raises an alarm. Raises Unavailable.
    """

    companies: Companies
    assignments: Assignments
    read_states: ReadStates
    registry: Products
    shards: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def of_company(self, company_id: str, product: str | None = None) -> list[Freshness]:
        """Return a row for each product of a company, or for one product.

        Raises Absent for a company that the hub does not know.
        """
        assignments = self.assignments.of_company(company_id)
        if not assignments:
            known_company(self.companies, company_id)
        return self._measure(item for item in assignments if product in {None, item.product})

    def page(
        self, product: str | None, start: Cursor, limit: int, *, overdue: bool = False
    ) -> FreshnessPage:
        """Return `limit` rows, or a few more to complete a company; `following` is None at the end.

        product: None: all products
        overdue: only overdue rows
        """
        page: list[Freshness] = []
        shard, after, looked_at = start.shard, start.after, 0
        while shard < self.shards and looked_at < _MOST_COMPANIES and len(page) < limit:
            ids = self._ids(product, shard, after, min(_PAGE, limit))
            rows = self._measure(self._assigned(ids, product))
            for company_id in ids:
                page += [
                    row
                    for row in rows
                    if row.company_id == company_id and (row.overdue or not overdue)
                ]
                after = company_id
                looked_at += 1
                if len(page) >= limit:
                    return FreshnessPage(tuple(page), Cursor(shard, after))
            if len(ids) < min(_PAGE, limit):
                shard, after = shard + 1, None
        return FreshnessPage(tuple(page), Cursor(shard, after) if shard < self.shards else None)

    def _ids(self, product: str | None, shard: int, after: str | None, limit: int) -> Sequence[str]:
        if product is None:
            return self.companies.ids(shard, after, limit)
        return self.assignments.companies_with(product, shard, after, limit)

    def _assigned(self, ids: Iterable[str], product: str | None) -> list[Assignment]:
        products = self.registry.products() if product is None else [product]
        pairs = [(company_id, name) for company_id in ids for name in products]
        assignments = self.assignments.get_many(pairs)
        return [assignments[pair] for pair in pairs if pair in assignments]

    def _measure(self, assignments: Iterable[Assignment]) -> list[Freshness]:
        present = [item for item in assignments if item.status is not AssignmentStatus.ABSENT]
        products = self.registry.products()
        companies = self.companies.get_many({item.company_id for item in present})
        states = self.read_states.get_many({_state_key(item, products) for item in present})
        return [
            freshness(
                item,
                companies.get(item.company_id, Company(item.company_id)),
                products.get(item.product),
                states.get(_state_key(item, products), ReadState()),
                self.now(),
            )
            for item in present
            if item.company_id not in companies.unreadable
            and _state_key(item, products) not in states.unreadable
        ]


def _state_key(assignment: Assignment, products: Mapping[str, Product]) -> tuple[str, str | None]:
    """Return the key of an assignment's read state: standard products share the plain reads."""
    product = products.get(assignment.product)
    standard = product is not None and product.kind is ProductKind.STANDARD
    return assignment.company_id, None if standard else assignment.product
