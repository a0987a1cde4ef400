"""What a call asks and what comes back, before anyone decides what it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codat_hub.codat.adapters import headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from codat_hub.codat.domain.quota import Quota


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `target`: path and query, encoded. `body`: JSON to be, None for no body."""

    method: str
    target: str
    body: dict[str, Any] | None = None
    idempotency_key: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(frozen=True, slots=True)
class Received:
    """One whole answer, or the beginning of a long error. `at` is when it came (aware).

    `headers` are case-insensitive; `redact` takes the API key out of any text quoted from here.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime
    redact: Callable[[str], str] = field(repr=False, default=str)

    @property
    def quota(self) -> Quota | None:
        return headers.quota(self.headers)


@dataclass(frozen=True, slots=True)
class Answer[T]:
    """What Codat gave, with its HTTP status and what it said about the quota."""

    value: T
    status: int
    quota: Quota | None
