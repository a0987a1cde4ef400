"""What use cases need of read states, stored webhooks, replays, the event bus and its archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from codat_hub.product_events.domain.freshness import OverduePlace
    from codat_hub.product_events.domain.product_event import ProductEvent
    from codat_hub.product_events.domain.read_state import ReadState
    from codat_hub.product_events.domain.replay import ReceivedBetween, Replay
    from codat_hub.product_events.domain.resend import Resend, TeamRule, TimeSpan
    from codat_hub.product_events.domain.stored_webhook import StoredWebhook
    from codat_hub.storage.found import Found


class ReadStates(Protocol):
    """Read states by company and product; product None: plain reads."""

    def get(self, company_id: str, product: str | None) -> tuple[ReadState, int]: ...
    def get_many(
        self, pairs: Iterable[tuple[str, str | None]]
    ) -> Found[tuple[str, str | None], ReadState]: ...
    def of_company(self, company_id: str) -> Sequence[ReadState]: ...
    def put(self, company_id: str, product: str | None, state: ReadState, version: int) -> bool: ...
    def overdue(
        self, product: str, now: datetime, limit: int, after: str | None = None
    ) -> Sequence[OverduePlace]: ...


class Archive(Protocol):
    """All webhooks of the inbox. `page` also returns where the next page starts; None: nowhere."""

    def get(self, webhook_id: str) -> StoredWebhook | None: ...
    def page(
        self, received: ReceivedBetween, after: str | None
    ) -> tuple[list[StoredWebhook], str | None]: ...


class Parking(Protocol):
    """The keys of webhooks and entries that cannot be projected, in pages as in `Archive`."""

    def park(self, key: str, reason: str, now: datetime, until: datetime | None = None) -> None: ...
    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]: ...
    def unpark(self, key: str) -> None: ...


class Replays(Protocol):
    """Replays by id. `put` writes over the version that was read and tells whether it did."""

    def get(self, replay_id: str) -> tuple[Replay | None, int]: ...
    def put(self, replay: Replay, version: int) -> bool: ...


class ProductBus(Protocol):
    """The bus that carries product events to the teams."""

    def publish(self, event: ProductEvent) -> None: ...


class FullLoads(Protocol):
    """Whole products that are owed a full load, with the time. `owed` may be some seconds old."""

    def owed(self) -> Mapping[str, datetime]: ...
    def get(self) -> tuple[Mapping[str, datetime], int]: ...
    def put(self, owed: Mapping[str, datetime], version: int) -> bool: ...


class Tails(Protocol):
    """Temporary rules and queues. `receive` returns None if there is no such tail any more."""

    def open(self, tail_id: str, product: str | None) -> None: ...
    def receive(self, tail_id: str) -> Sequence[dict[str, Any]] | None: ...
    def close(self, tail_id: str) -> None: ...


class EventArchives(Protocol):
    """The archive of the bus. `start` tells whether the id was new."""

    exists: bool

    def rule(self, name: str) -> TeamRule | None: ...
    def size(self) -> int: ...
    def start(self, resend_id: str, rule: TeamRule, span: TimeSpan, by: str) -> bool: ...
    def get(self, resend_id: str) -> Resend | None: ...
    def cancel(self, resend_id: str) -> None: ...
