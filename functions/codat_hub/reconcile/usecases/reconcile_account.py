"""First step of a reconcile: the client as a whole. Its id, settings, webhook consumers, quota."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from codat_hub.reconcile.domain import consumers
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import Phase, StepOutcome
from codat_hub.reconcile.usecases.reconcile import Finding, StepFindings
from codat_hub.reconcile.usecases.reconcile_companies import buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from codat_hub.codat.domain.client_check import ClientCheck
    from codat_hub.codat.domain.quota import Quota
    from codat_hub.products.domain.product import Product
    from codat_hub.reconcile.domain.observed import ObservedConsumer, ObservedSettings
    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun

_LOW: Final = 5  # a fifth of the quota is kept for people


class Codat(Protocol):
    calls: int
    quota: Quota | None

    def settings(self) -> ObservedSettings: ...
    def consumers(self) -> tuple[ObservedConsumer, ...]: ...


class Registry(Protocol):
    def products(self) -> Mapping[str, Product]: ...


class Secrets(Protocol):
    def names(self) -> Collection[str]: ...


class Runs(Protocol):
    def latest(self, before: str | None = None, limit: int = 10) -> list[ReconcileRun]: ...


@dataclass(frozen=True)
class CheckAccount:
    """`confirm` asks Codat which client the API key is of, and remembers it.

    With the key of another client, or bound to none, the run ends here: that client's companies
    are none of this stack's.
    """

    codat: Codat
    confirm: Callable[[], ClientCheck]
    registry: Registry
    secrets: Secrets
    runs: Runs
    hub: consumers.HubAddress

    def __call__(self, run: ReconcileRun) -> StepFindings:
        before = self.codat.calls
        check = self.confirm()
        if not check.right:
            return _wrong_client(check)
        schedules = self.codat.settings().schedules
        listed, secrets = self.codat.consumers(), self.secrets.names()
        products = self.registry.products().values()
        found = consumers.check(listed, self.hub, products, secrets)
        facts: dict[str, Any] = {
            "client_id": check.reported,
            "schedules": dict(schedules),
            "consumers": consumers.summary(listed, self.hub, secrets),
            "buckets": self._buckets(run),
        }
        quota = self.codat.quota
        if quota is not None:
            told = {"limit": quota.limit, "remaining": quota.remaining}
            facts["quota"] = {name: count for name, count in told.items() if count is not None}
            found += _low(quota)
        stepped = StepOutcome(
            Phase.COMPANIES,
            counts={"codat_calls": self.codat.calls - before + 1},  # one by `confirm`
            facts=facts,
        )
        return StepFindings(stepped, tuple(Finding((one,)) for one in found))

    def _buckets(self, run: ReconcileRun) -> int:
        """Share the look at companies' own settings among nights, by what the last run counted."""
        earlier = self.runs.latest(before=run.reconcile_id)
        counted = (one.counts.get("with_custom", 0) for one in earlier if one.error is None)
        return buckets(next((count for count in counted if count), 0))


def _wrong_client(check: ClientCheck) -> StepFindings:
    bound = check.bound_to or "nothing: CodatClientId is empty"
    text = f"bound to {bound}; the API key is of {check.reported}"
    drift = Drift(DriftKind.WRONG_CLIENT, text, subject=check.reported)
    stepped = StepOutcome(Phase.ACCOUNT, counts={"codat_calls": 1})
    return StepFindings(stepped, (Finding((drift,)),), error=text)


def _low(quota: Quota) -> list[Drift]:
    if quota.limit is None or quota.remaining is None or quota.remaining * _LOW >= quota.limit:
        return []
    text = f"{quota.remaining} of {quota.limit} requests are left today"
    return [Drift(DriftKind.QUOTA_LOW, text)]
