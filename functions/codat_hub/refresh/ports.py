"""What the refresh use cases need of tickets, leases, runs, the queue and Codat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from codat_hub.codat.domain.quota import Quota
    from codat_hub.refresh.domain.dispatch import DispatchMemory, DueTicket
    from codat_hub.refresh.domain.lease import Lease
    from codat_hub.refresh.domain.refresh_message import RefreshMessage
    from codat_hub.refresh.domain.refresh_run import RefreshRun
    from codat_hub.refresh.domain.ticket import Ticket
    from codat_hub.storage.found import Found

type Pair = tuple[str, str | None]  # company id, product


class Tickets(Protocol):
    """Tickets by company and product. `put` tells whether the version was still the one read."""

    def get(self, company_id: str, product: str | None) -> tuple[Ticket | None, int]: ...
    def get_many(self, pairs: Iterable[Pair]) -> Found[Pair, tuple[Ticket, int]]: ...
    def put(self, ticket: Ticket, version: int) -> bool: ...
    def postpone(self, company_id: str, product: str | None, until: datetime) -> None: ...
    def of_company(self, company_id: str) -> list[tuple[Ticket, int]]: ...
    def due(
        self, product: str | None, now: datetime, limit: int, after: str | None = None
    ) -> Sequence[DueTicket]: ...


class Leases(Protocol):
    """The lease that a product's refresh needs. `put` tells whether the version was still that."""

    def get(self, company_id: str, product: str | None) -> tuple[Lease, int]: ...
    def put(self, company_id: str, product: str | None, lease: Lease, version: int) -> bool: ...


class RefreshRuns(Protocol):
    """The planner's runs. `put` tells whether the version was still the one read."""

    def get(self, product: str, slot: datetime) -> tuple[RefreshRun | None, int]: ...
    def put(self, run: RefreshRun, version: int) -> bool: ...
    def put_last(self, product: str, slot: datetime, now: datetime) -> None: ...
    def unfinished(self) -> list[tuple[str, datetime]]: ...


class DispatchMemories(Protocol):
    """The dispatcher's memory. `put` tells whether the version was still the one read."""

    def get(self) -> tuple[DispatchMemory, int]: ...
    def put(self, memory: DispatchMemory, version: int) -> bool: ...


class RefreshSender(Protocol):
    """The queue between dispatcher and worker."""

    def send(self, messages: Iterable[RefreshMessage]) -> None: ...


class Answered(Protocol):
    """What a refresh uses of Codat's answer."""

    @property
    def quota(self) -> Quota | None: ...


class RefreshCalls(Protocol):
    """Codat's refresh methods. Each answers or raises a CallFailed."""

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
        self, company_id: str, data_type: str, *, idempotency_key: str | None = None
    ) -> Answered: ...
    def forget_key(self) -> None: ...
