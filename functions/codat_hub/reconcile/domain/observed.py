"""Codat's answers, as far as the hub compares them with its own state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ObservedConnection:
    """A connection of a company. `integration`: its key, such as `gbol`; `platform`: its name.

    A field is None if the answer does not tell it.
    """

    status: str | None
    integration: str | None = None
    source_type: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class ObservedCompany:
    """A company in Codat's list. `products`, `connections`: None if the answer does not tell them.

    unread: the places in it that cannot be read; then a connection may be missing here
    """

    company_id: str
    name: str | None = None
    products: tuple[str, ...] | None = None
    connections: Mapping[str, ObservedConnection] | None = None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadCompany:
    """A company in Codat's list that cannot be read; `fault` says where.

    company_id, name: None if they cannot be read either
    """

    fault: str
    company_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ObservedPage:
    """A page of Codat's companies. `asked_at`: before the call, so the page is no older.

    total: the number of companies on all pages, if the answer has it
    """

    asked_at: datetime
    companies: tuple[ObservedCompany, ...]
    has_next: bool
    total: int | None = None
    unreadable: tuple[UnreadCompany, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedConsumer:
    """A webhook consumer of the Codat client."""

    consumer_id: str
    url: str
    disabled: bool = False
    event_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedConsumers:
    """The webhook consumers. `unread`: what cannot be read; then the list is not complete."""

    consumers: tuple[ObservedConsumer, ...]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedStatus:
    """The status of a company's data type, for all products together (docs/codat.md, C51)."""

    status: str | None
    last_success: datetime | None


@dataclass(frozen=True, slots=True)
class ObservedSettings:
    """Hours between fetches for each data type whose schedule is on; `unread` as in consumers."""

    schedules: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
