"""What the refresh use cases need of the world; adapters/ has the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from codat_hub.codat.domain.quota import Quota
    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.company import Company
    from codat_hub.product_events.domain.read_state import ReadState
    from codat_hub.products.domain.product import Product
    from codat_hub.refresh.domain.lease import Lease
    from codat_hub.refresh.domain.refresh_message import RefreshMessage
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.storage.found import Found

type Pair = tuple[str, str | None]  # company id, product


class Tickets(Protocol):
    def get(self, company_id: str, product: str | None) -> tuple[Ticket | None, int]: ...
    def get_many(self, pairs: Iterable[Pair]) -> Found[Pair, tuple[Ticket, int]]: ...
    def put(self, ticket: Ticket, version: int) -> bool: ...
    def postpone(self, company_id: str, product: str | None, until: datetime) -> None: ...
    def of_company(self, company_id: str) -> list[tuple[Ticket, int]]: ...
    def due(self, product: str | None, now: datetime, limit: int) -> Sequence[str]: ...


class Leases(Protocol):
    def get(self, company_id: str, product: str | None) -> tuple[Lease, int]: ...
    def put(self, company_id: str, product: str | None, lease: Lease, version: int) -> bool: ...


class Registry(Protocol):
    def products(self) -> Found[str, Product]: ...


class Assignments(Protocol):
    def get(self, company_id: str, product: str) -> tuple[Assignment, int]: ...
    def get_many(self, pairs: Iterable[tuple[str, str]]) -> Found[tuple[str, str], Assignment]: ...
    def put(self, assignment: Assignment, version: int) -> bool: ...
    def of_company(self, company_id: str) -> list[Assignment]: ...
    def companies_with(
        self, product: str, shard: int, after: str | None = None, limit: int = 100
    ) -> Sequence[str]: ...


class Companies(Protocol):
    def get(self, company_id: str) -> tuple[Company, int]: ...
    def get_many(self, company_ids: Iterable[str]) -> Found[str, Company]: ...


class ReadStates(Protocol):
    def get(self, company_id: str, product: str | None) -> tuple[ReadState, int]: ...


class Queue(Protocol):
    def send(self, messages: Iterable[RefreshMessage]) -> None: ...


class Answered(Protocol):
    @property
    def quota(self) -> Quota | None: ...


class Codat(Protocol):
    """Each call answers or raises a subclass of errors.CallFailed."""

    def refresh_product(
        self,
        company_id: str,
        product: str,
        data_types: Sequence[str] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> Answered: ...
    def refresh_all(self, company_id: str, *, idempotency_key: str | None = None) -> Answered: ...
    def refresh_data_type(
        self,
        company_id: str,
        data_type: str,
        *,
        connection_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Answered: ...
    def forget_key(self) -> None: ...
