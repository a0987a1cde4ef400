"""The hub at a glance: which client it is bound to, what it knows, whether it may call Codat."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from codat_hub.reconcile.domain.reconcile_run import Integration
from codat_hub.reconcile.domain.reconcile_run import Status as RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.codat.domain.client_check import ClientCheck
    from codat_hub.products.domain.product import Product
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimit
    from codat_hub.reconcile.domain.reconcile_run import Run


class ClientChecks(Protocol):
    def last(self) -> ClientCheck | None: ...


class Runs(Protocol):
    def latest(self, before: str | None = None, limit: int = 10) -> list[Run]: ...


class ProductRegistry(Protocol):
    def read(self) -> tuple[Mapping[str, Product], int]: ...


class RateLimits(Protocol):
    def get(self) -> tuple[RateLimit | None, int]: ...


@dataclass(frozen=True, slots=True)
class HubStatus:
    """check: the last comparison of the bound client with Codat's word; None: there was none yet

    seen: the last reconcile that looked at everything; consumers, integrations are as of then
    latest: the newest reconcile, whatever became of it
    barred_until: Codat's daily limit is reached until then
    """

    environment: str
    bound_to: str
    check: ClientCheck | None
    products: tuple[Product, ...]
    latest: Run | None
    seen: Run | None
    barred_until: datetime | None

    @property
    def confirmed(self) -> bool:
        check = self.check
        return check is not None and check.bound_to == self.bound_to and check.right

    @property
    def integrations(self) -> Mapping[str, Integration]:
        return self.seen.integrations if self.seen else {}

    @property
    def consumers(self) -> Mapping[str, Mapping[str, bool]]:
        return self.seen.facts.get("consumers", {}) if self.seen else {}


@dataclass(frozen=True)
class ShowStatus:
    """Four reads of the State table; Codat is not asked. Raises Unavailable."""

    environment: str
    bound_to: str
    checks: ClientChecks
    runs: Runs
    registry: ProductRegistry
    rate_limits: RateLimits
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self) -> HubStatus:
        runs = self.runs.latest()
        limit, _ = self.rate_limits.get()
        until = limit.reached_until if limit else None
        products, _ = self.registry.read()
        return HubStatus(
            environment=self.environment,
            bound_to=self.bound_to,
            check=self.checks.last(),
            products=tuple(products.values()),
            latest=runs[0] if runs else None,
            seen=next((one for one in runs if one.status is RunStatus.COMPLETE), None),
            barred_until=until if until is not None and until > self.now() else None,
        )
