"""Where the rate limiter and Codat's notices are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
    from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter


class RateLimiters(Protocol):
    def get(self) -> tuple[RateLimiter, int]: ...
    def put(self, limiter: RateLimiter, version: int) -> bool: ...
    def replace(self, limiter: RateLimiter) -> bool: ...


class RateLimitNotices(Protocol):
    def get(self) -> tuple[RateLimitNotice | None, int]: ...
    def put(self, limit: RateLimitNotice, version: int) -> bool: ...
