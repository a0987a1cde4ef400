"""A call to Codat and its answer, before any decision on it."""

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
    """A request: `target` is the encoded path and query, `body` is sent as JSON, None without."""

    method: str
    target: str
    body: dict[str, Any] | None = None
    idempotency_key: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer, or the beginning of a long error answer.

    headers: case-insensitive
    at: the time of arrival, aware
    redact: removes the API key from a text that quotes the answer
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime
    redact: Callable[[str], str] = field(repr=False, default=str)

    @property
    def quota(self) -> Quota | None:
        """The rate-limit headers."""
        return headers.quota(self.headers)


@dataclass(frozen=True, slots=True)
class Answer[T]:
    """A call's value, with the HTTP status and the rate-limit headers of its answer."""

    value: T
    status: int
    quota: Quota | None
