"""What use cases need of the rate limiter and of Codat's rate limit notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
    from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter


class RateLimiters(Protocol):
    """The one limiter. `put` writes over the version that was read and tells whether it did.

    replace: writes over the limiter that is there, readable or not
    """

    def get(self) -> tuple[RateLimiter, int]: ...
    def put(self, limiter: RateLimiter, version: int) -> bool: ...
    def replace(self, limiter: RateLimiter) -> bool: ...


class RateLimitNotices(Protocol):
    """The newest notice. `put` writes over the version that was read and tells whether it did."""

    def get(self) -> tuple[RateLimitNotice | None, int]: ...
    def put(self, notice: RateLimitNotice, version: int) -> bool: ...
