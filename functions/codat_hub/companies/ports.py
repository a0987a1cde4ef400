"""The stores and services that use cases of companies work with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.company import Company
    from codat_hub.companies.domain.consent import ConsentEntry
    from codat_hub.companies.domain.creation import Creation
    from codat_hub.companies.domain.new_company import CodatCompany, NewCompany
    from codat_hub.storage.found import Found


class Companies(Protocol):
    """The directory. `put` returns False if the entry no longer has the version that was read."""

    def get(self, company_id: str) -> tuple[Company, int]: ...
    def get_many(self, company_ids: Iterable[str]) -> Found[str, Company]: ...
    def put(self, company: Company, version: int) -> bool: ...
    def ids(self, shard: int, after: str | None = None, limit: int = 100) -> Sequence[str]: ...


class Assignments(Protocol):
    """Products on companies. `put` returns False as in Companies."""

    def get(self, company_id: str, product: str) -> tuple[Assignment, int]: ...
    def get_many(self, pairs: Iterable[tuple[str, str]]) -> Found[tuple[str, str], Assignment]: ...
    def put(self, assignment: Assignment, version: int) -> bool: ...
    def of_company(self, company_id: str) -> Sequence[Assignment]: ...
    def readable_of(self, company_id: str) -> Sequence[Assignment]: ...
    def companies_with(
        self, product: str, shard: int, after: str | None = None, limit: int = 100
    ) -> Sequence[str]: ...
    def count(self, product: str, most: int) -> int: ...


class Consents(Protocol):
    """The consent ledger. `append` returns False if the entry's number is taken."""

    def newest(self, company_id: str, product: str) -> ConsentEntry | None: ...
    def newest_of_each(self, company_id: str) -> list[ConsentEntry]: ...
    def entries(
        self, company_id: str, after: tuple[str, int] | None = None, limit: int = 1000
    ) -> list[ConsentEntry]: ...
    def append(self, company_id: str, entry: ConsentEntry) -> bool: ...


class Creations(Protocol):
    """Requests to create a company. `put` returns False as in Companies."""

    def get(self, key: str) -> tuple[Creation | None, int]: ...
    def put(self, key: str, creation: Creation, version: int) -> bool: ...


class CompaniesAtCodat(Protocol):
    """Companies and their products at Codat. Each method calls once and raises CallFailed."""

    def company(self, company_id: str) -> CodatCompany: ...
    def create(self, new: NewCompany, products: Sequence[str], key: str) -> CodatCompany: ...
    def created_since(self, name: str, since: datetime) -> Sequence[CodatCompany]: ...
    def add_product(self, company_id: str, product: str) -> None: ...
    def remove_product(self, company_id: str, product: str) -> None: ...


class Migrations(Protocol):
    """The migrations that may be under way."""

    def holds(self, company_id: str, product: str) -> bool:
        """Tell whether a migration is working on this product of this company."""
        ...


class Refreshes(Protocol):
    """The planned refreshes."""

    def cancel(self, company_id: str, product: str, reason: str) -> None:
        """End the planned refresh of this product, if there is one.

        This saves work and guarantees nothing: the worker reads the assignment before each call.
        """
        ...
