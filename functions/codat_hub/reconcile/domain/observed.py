"""What Codat says is there, as far as the hub compares it with what it knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ObservedConnection:
    """`integration` is its key, such as `gbol`; `platform` the name people know."""

    status: str
    integration: str | None = None
    source_type: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class ObservedCompany:
    """`products`, `connections`: None when the answer did not say, which is not none."""

    company_id: str
    name: str | None = None
    products: tuple[str, ...] | None = None
    connections: Mapping[str, ObservedConnection] | None = None


@dataclass(frozen=True, slots=True)
class ObservedPage:
    """`asked_at`: before the call, so nothing in it is older than that."""

    asked_at: datetime
    companies: tuple[ObservedCompany, ...]
    has_next: bool
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ObservedConsumer:
    """A webhook consumer of the Codat client."""

    consumer_id: str
    url: str
    disabled: bool = False
    event_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedStatus:
    """One data type of one company, whatever product it was read for (docs/codat.md, C51)."""

    status: str | None
    last_success: datetime | None


@dataclass(frozen=True, slots=True)
class ObservedSettings:
    """Hours between client-level fetches by data type, those that are on only."""

    schedules: Mapping[str, int] = field(default_factory=dict)
