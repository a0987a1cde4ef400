"""Measure, for each company and product, when it was read last and whether it is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.company import Company
from codat_hub.companies.usecases.known_company import known_company
from codat_hub.product_events.domain.freshness import Freshness, freshness
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.products.domain.product import ProductKind
from codat_hub.storage.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.ports import Assignments, Companies
    from codat_hub.product_events.ports import ReadStates
    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products

_PAGE: Final = 50  # companies read at once
_MOST_COMPANIES: Final = 200  # that one request looks at, even if it finds no row
_MOST_READS: Final = 200  # of one request for what is overdue: requests, entries and items
_READS_OF_A_ROW: Final = 4  # its entry, and the assignment, company and read state behind it


@dataclass(frozen=True, slots=True)
class FreshnessPage:
    """A page of rows; `following` is where the next page starts, None after the last page."""

    rows: tuple[Freshness, ...]
    following: Cursor | None


class OverdueCursor(NamedTuple):
    """A place in the lists of what is overdue, which are in the order of the products."""

    product: str = ""
    after: str | None = None


@dataclass(frozen=True, slots=True)
class OverduePage:
    """A page of overdue rows; `following` is as in FreshnessPage."""

    rows: tuple[Freshness, ...]
    following: OverdueCursor | None


@dataclass(frozen=True)
class MeasureFreshness:
    """Measures freshness from stored state, without a scan of the table or a call to Codat.

    An item that cannot be read gets no row, because the row would be wrong; it is logged and raises
    an alarm. Raises Unavailable.
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
        assignments = self.assignments.readable_of(company_id)
        if not assignments:
            known_company(self.companies, company_id)
        return self._measure(item for item in assignments if product in {None, item.product})

    def page(self, product: str | None, start: Cursor, limit: int) -> FreshnessPage:
        """Return `limit` rows, or a few more to complete a company; a page may be shorter.

        product: None: all products
        """
        found: list[Assignment] = []
        shard, after, looked_at = start.shard, start.after, 0
        while shard < self.shards and looked_at < _MOST_COMPANIES:
            size = min(_PAGE, limit)
            ids = self._ids(product, shard, after, size)
            for company_id, assignments in self._assigned(ids, product):
                found += assignments
                after = company_id
                looked_at += 1
                if len(found) >= limit:
                    return FreshnessPage(tuple(self._measure(found)), Cursor(shard, after))
            if len(ids) < size:
                shard, after = shard + 1, None
        following = Cursor(shard, after) if shard < self.shards else None
        return FreshnessPage(tuple(self._measure(found)), following)

    def overdue(self, product: str | None, start: OverdueCursor, limit: int) -> OverduePage:
        """Return up to `limit` overdue rows by product, the longest overdue first.

        product: None: all products

        It reads a fixed number of items, so a page may be short or empty, and yet not be the last.
        """
        rows: list[Freshness] = []
        left = _MOST_READS - 1  # the registry
        for name in self._scheduled(product, start.product):
            after, size, found = start.after if name == start.product else None, 1, 1
            while found == size:
                # One request, and one entry more than it asks for (StateTable.listed).
                size = min(limit - len(rows), (left - 2) // _READS_OF_A_ROW)
                if size <= 0:
                    return OverduePage(tuple(rows), OverdueCursor(name, after))
                listed = self.read_states.overdue(name, self.now(), size, after)
                found = len(listed)
                left -= 1 + _READS_OF_A_ROW * found
                pairs = [(company_id, name) for company_id, _, _ in listed]
                assignments = self.assignments.get_many(pairs)
                measured = self._measure(assignments[pair] for pair in pairs if pair in assignments)
                rows += [row for row in measured if row.overdue]
                after = listed[-1].place if listed else after
        return OverduePage(tuple(rows), None)

    def _scheduled(self, product: str | None, first: str) -> list[str]:
        """Return the registered products that may be overdue, in order, from one on."""
        return [
            name
            for name, known in sorted(self.registry.products().items())
            if known.schedule and known.schedule.enabled and name >= first
            if product in {None, name}
        ]

    def _ids(self, product: str | None, shard: int, after: str | None, limit: int) -> Sequence[str]:
        if product is None:
            return self.companies.ids(shard, after, limit)
        return self.assignments.companies_with(product, shard, after, limit)

    def _assigned(
        self, ids: Sequence[str], product: str | None
    ) -> Iterator[tuple[str, list[Assignment]]]:
        """Yield each company with its products, or with one product."""
        if product is None:
            # A company at a time: all products of all companies of a page could be thousands.
            for company_id in ids:
                yield company_id, _present(self.assignments.readable_of(company_id))
            return
        found = self.assignments.get_many((company_id, product) for company_id in ids)
        for company_id in ids:
            pair = (company_id, product)
            yield company_id, _present([found[pair]] if pair in found else [])

    def _measure(self, assignments: Iterable[Assignment]) -> list[Freshness]:
        present = _present(assignments)
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


def _present(assignments: Iterable[Assignment]) -> list[Assignment]:
    return [item for item in assignments if item.status is not AssignmentStatus.ABSENT]


def _state_key(assignment: Assignment, products: Mapping[str, Product]) -> tuple[str, str | None]:
    """Return the key of an assignment's read state: standard products share the plain reads."""
    product = products.get(assignment.product)
    standard = product is not None and product.kind is ProductKind.STANDARD
    return assignment.company_id, None if standard else assignment.product
