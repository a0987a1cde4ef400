"""Where the rate limiter and Codat's notices are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimit
    from codat_hub.rate_limiting.domain.rate_limiter import Gate


class Gates(Protocol):
    def get(self) -> tuple[Gate, int]: ...
    def put(self, gate: Gate, version: int) -> bool: ...
    def replace(self, gate: Gate) -> bool: ...


class RateLimits(Protocol):
    def get(self) -> tuple[RateLimit | None, int]: ...
