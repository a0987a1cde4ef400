"""List companies with filters, and show one with its products and last reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codat_hub.companies.usecases.known_company import known_company
from codat_hub.storage.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
    from codat_hub.companies.domain.company import Company
    from codat_hub.companies.ports import Assignments, Companies
    from codat_hub.product_events.ports import ReadStates

_PAGE: Final = 100
_LOOKED_AT: Final = 1000  # companies that a request looks through at most


@dataclass(frozen=True, slots=True)
class CompanyFilter:
    """What a company must have to be listed; None: anything.

    status: of the assignment of `product`; it has no effect without a product
    name: a part of the name, in capitals or not
    deleted: whether companies that are deleted at Codat are listed too
    """

    product: str | None = None
    status: AssignmentStatus | None = None
    linked: bool | None = None
    name: str | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class CompaniesFound:
    """A page of companies. `following`: where the next page starts; None: this is the last."""

    companies: tuple[Company, ...]
    following: Cursor | None


@dataclass(frozen=True, slots=True)
class CompanyView:
    """A company. `reads`: the last read of each product; None as product: Codat's own reads."""

    company: Company
    assignments: tuple[Assignment, ...]
    reads: Mapping[str | None, datetime]


class CompanyQueries:
    """The directory as the API shows it. Raises Absent, Unavailable, Unreadable."""

    def __init__(
        self, companies: Companies, assignments: Assignments, reads: ReadStates, shards: int
    ) -> None:
        self._companies = companies
        self._assignments = assignments
        self._reads = reads
        self._shards = shards

    def page(self, wanted: CompanyFilter, start: Cursor, limit: int) -> CompaniesFound:
        """Return up to `limit` companies from a place on; a page before the last may be shorter."""
        found: list[Company] = []
        shard, after, looked_at = start.shard, start.after, 0
        while shard < self._shards and looked_at < _LOOKED_AT:
            ids = self._ids(wanted, shard, after)
            for company in self._matching(wanted, ids):
                found.append(company)
                if len(found) == limit:
                    return CompaniesFound(tuple(found), Cursor(shard, company.company_id))
            looked_at += len(ids)
            shard, after = (shard, ids[-1]) if len(ids) == _PAGE else (shard + 1, None)
        return CompaniesFound(tuple(found), Cursor(shard, after) if shard < self._shards else None)

    def show(self, company_id: str) -> CompanyView:
        """Return one company with its assignments and last reads."""
        company = known_company(self._companies, company_id)
        assignments = tuple(self._assignments.of_company(company_id))
        reads = {}
        for product in (None, *(assignment.product for assignment in assignments)):
            state, _ = self._reads.get(company_id, product)
            if state.last_read_at is not None:
                reads[product] = state.last_read_at
        return CompanyView(company, assignments, reads)

    def _ids(self, wanted: CompanyFilter, shard: int, after: str | None) -> Sequence[str]:
        if wanted.product is None:
            return self._companies.ids(shard, after, _PAGE)
        return self._assignments.companies_with(wanted.product, shard, after, _PAGE)

    def _matching(self, wanted: CompanyFilter, ids: Sequence[str]) -> list[Company]:
        companies = self._companies.get_many(ids)
        if wanted.product is not None and wanted.status is not None:
            found = self._assignments.get_many((company_id, wanted.product) for company_id in ids)
            ids = [
                company_id
                for (company_id, _), assignment in found.items()
                if assignment.status is wanted.status
            ]
        return [
            companies[company_id]
            for company_id in sorted(ids)
            if company_id in companies and _matches(companies[company_id], wanted)
        ]


def _matches(company: Company, wanted: CompanyFilter) -> bool:
    if company.deleted_at is not None and not wanted.deleted:
        return False
    if wanted.linked is not None and company.linked is not wanted.linked:
        return False
    return wanted.name is None or wanted.name.casefold() in (company.name or "").casefold()
