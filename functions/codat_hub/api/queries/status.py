"""Show the hub at a glance: its Codat client, its products, and the last reconciles."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from codat_hub.errors import Unreadable
from codat_hub.reconcile.domain.reconcile_run import Integration, ReconcileStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.codat.domain.client_check import ClientCheck
    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products
    from codat_hub.rate_limiting.domain.breaker import Stopped
    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
    from codat_hub.rate_limiting.ports import RateLimiters, RateLimitNotices
    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun
    from codat_hub.reconcile.ports import ReconcileRuns


@dataclass(frozen=True, slots=True)
class HubStatus:
    """The hub at a glance.

    check: the last comparison of the bound client with Codat's answer; None: there was none yet
    latest: the newest reconcile, whatever its status
    seen: the newest complete reconcile, which found `consumers` and `integrations`
    blocked_until: until then Codat's daily limit is reached; None: it is not
    stopped: why only probes of refreshes call Codat now; None: all refreshes may
    """

    environment: str
    bound_to: str
    check: ClientCheck | None
    products: tuple[Product, ...]
    latest: ReconcileRun | None
    seen: ReconcileRun | None
    blocked_until: datetime | None
    stopped: Stopped | None

    @property
    def confirmed(self) -> bool:
        """Tell whether Codat confirmed that the API key belongs to the bound client."""
        check = self.check
        return check is not None and check.bound_to == self.bound_to and check.right

    @property
    def integrations(self) -> Mapping[str, Integration]:
        """Return the platforms that companies are connected by, by key."""
        return self.seen.integrations if self.seen else {}

    @property
    def consumers(self) -> Mapping[str, Mapping[str, bool]]:
        """Return the facts about each webhook consumer of this hub, by name."""
        return self.seen.facts.get("consumers", {}) if self.seen else {}


@dataclass(frozen=True)
class ShowStatus:
    """Reads the State table five times, and does not call Codat. Raises Unavailable."""

    environment: str
    bound_to: str
    last_check: Callable[[], ClientCheck | None]
    runs: ReconcileRuns
    registry: Products
    rate_limits: RateLimitNotices
    limiters: RateLimiters
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self) -> HubStatus:
        runs = self.runs.latest()
        notice, _ = self.rate_limits.get()
        until = notice.reached_until if notice else None
        products, _ = self.registry.read()
        return HubStatus(
            environment=self.environment,
            bound_to=self.bound_to,
            check=self.last_check(),
            products=tuple(products.values()),
            latest=runs[0] if runs else None,
            seen=next((run for run in runs if run.status is ReconcileStatus.COMPLETE), None),
            blocked_until=until if until is not None and until > self.now() else None,
            stopped=self._stopped(notice),
        )

    def _stopped(self, notice: RateLimitNotice | None) -> Stopped | None:
        try:
            limiter, _ = self.limiters.get()
        except Unreadable:  # the dispatcher writes it again within a minute
            return None
        return limiter.breaker.open_for(self.now(), notice)
