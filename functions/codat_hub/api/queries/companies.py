"""What the hub knows of its companies: the directory, their products, when each was last read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.errors import Absent
from codat_hub.storage.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment, Status
    from codat_hub.companies.domain.company import Company
    from codat_hub.product_events.domain.read_state import ReadState

_PAGE: Final = 100
_LOOKED_AT: Final = 1000  # companies one request looks through at most, whatever it finds


class Directory(Protocol):
    def get(self, company_id: str) -> tuple[Company, int]: ...
    def get_many(self, company_ids: Iterable[str]) -> Mapping[str, Company]: ...
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
    def get(self, company_id: str, product: str | None) -> tuple[ReadState, int]: ...


@dataclass(frozen=True, slots=True)
class Filter:
    """`status` is of the assignment of `product`, and needs one. None: any."""

    product: str | None = None
    status: Status | None = None
    linked: bool | None = None
    name: str | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """`following`: where the next page begins; None: this was the last."""

    companies: tuple[Company, ...]
    following: Cursor | None


@dataclass(frozen=True, slots=True)
class CompanyView:
    """`reads`: product -> when it was last read; None is what Codat reads by itself."""

    company: Company
    assignments: tuple[Assignment, ...]
    reads: Mapping[str | None, datetime]


class Companies:
    """Raises Absent, Unavailable."""

    def __init__(
        self, directory: Directory, assignments: Assignments, reads: ReadStates, shards: int
    ) -> None:
        self._directory = directory
        self._assignments = assignments
        self._reads = reads
        self._shards = shards

    def page(self, wanted: Filter, start: Cursor, limit: int) -> Page:
        """Return up to `limit` companies from a place on; fewer do not mean that these are all."""
        found: list[Company] = []
        shard, after, looked_at = start.shard, start.after, 0
        while shard < self._shards and looked_at < _LOOKED_AT:
            ids = self._ids(wanted, shard, after)
            for company in self._matching(wanted, ids):
                found.append(company)
                if len(found) == limit:
                    return Page(tuple(found), Cursor(shard, company.company_id))
            looked_at += len(ids)
            shard, after = (shard, ids[-1]) if len(ids) == _PAGE else (shard + 1, None)
        return Page(tuple(found), Cursor(shard, after) if shard < self._shards else None)

    def one(self, company_id: str) -> CompanyView:
        company, version = self._directory.get(company_id)
        if not version:
            raise Absent(f"The directory has no company {company_id}.")
        assignments = tuple(self._assignments.of_company(company_id))
        reads = {}
        for product in (None, *(one.product for one in assignments)):
            state, _ = self._reads.get(company_id, product)
            if state.last_read_at is not None:
                reads[product] = state.last_read_at
        return CompanyView(company, assignments, reads)

    def _ids(self, wanted: Filter, shard: int, after: str | None) -> Sequence[str]:
        if wanted.product is None:
            return self._directory.ids(shard, after, _PAGE)
        return self._assignments.companies_with(wanted.product, shard, after, _PAGE)

    def _matching(self, wanted: Filter, ids: Sequence[str]) -> list[Company]:
        companies = self._directory.get_many(ids)
        if wanted.product is not None and wanted.status is not None:
            pairs = self._assignments.get_many((one, wanted.product) for one in ids)
            ids = [one for (one, _), held in pairs.items() if held.status is wanted.status]
        return [
            companies[one]
            for one in sorted(ids)
            if one in companies and _matches(companies[one], wanted)
        ]


def _matches(company: Company, wanted: Filter) -> bool:
    if company.deleted_at is not None and not wanted.deleted:
        return False
    if wanted.linked is not None and company.linked is not wanted.linked:
        return False
    return wanted.name is None or wanted.name.casefold() in (company.name or "").casefold()
