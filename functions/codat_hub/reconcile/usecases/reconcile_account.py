"""Check the Codat client as a whole: its id, sync settings, webhook consumers and quota."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.reconcile.domain import consumers
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import Phase, StepOutcome
from codat_hub.reconcile.usecases.reconcile_companies import buckets
from codat_hub.reconcile.usecases.reconcile_step import Finding, StepFindings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from codat_hub.codat.domain.client_check import ClientCheck
    from codat_hub.codat.domain.quota import Quota
    from codat_hub.products.ports import Products
    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun
    from codat_hub.reconcile.ports import ObservedCodat, ReconcileRuns
    from codat_hub.webhooks.hub_address import HubAddress

_LOW: Final = 5  # the quota is low below a fifth of its limit
_WARNED_BEFORE: Final = timedelta(days=7)
_MOST_PARKED: Final = 1000  # counted


@dataclass(frozen=True)
class CheckAccount:
    """The first step of a run.

    confirm: asks Codat for the client of the API key, and keeps the answer
    stored_secrets: returns the names of the consumers whose signing secret is stored
    parked: returns when parked webhooks expire, between two times and at most so many
    If the stack is bound to another client or to none, the run ends here: the companies of that
    client do not belong to this stack.
    """

    codat: ObservedCodat
    confirm: Callable[[], ClientCheck]
    registry: Products
    stored_secrets: Callable[[], Collection[str]]
    runs: ReconcileRuns
    hub: HubAddress
    parked: Callable[[datetime, datetime, int], Sequence[datetime]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, run: ReconcileRun) -> StepFindings:
        before = self.codat.calls
        check = self.confirm()
        if not check.right:
            return _wrong_client(check)
        settings = self.codat.settings()
        observed, secrets = self.codat.consumers(), self.stored_secrets()
        listed, products = observed.consumers, self.registry.products().values()
        complete = not observed.unread
        found = consumers.check(listed, self.hub, products, secrets, complete=complete)
        found += _unread("webhook consumers", observed.unread)
        found += _unread("client-level sync settings", settings.unread)
        found += self._parked()
        facts: dict[str, Any] = {
            "client_id": check.reported,
            "schedules": dict(settings.schedules),
            "consumers": consumers.summary(listed, self.hub, secrets),
            "buckets": self._buckets(run),
        }
        quota = self.codat.quota
        if quota is not None:
            counts = {"limit": quota.limit, "remaining": quota.remaining}
            facts["quota"] = {name: count for name, count in counts.items() if count is not None}
            found += _low(quota)
        outcome = StepOutcome(
            Phase.COMPANIES,
            counts={"codat_calls": self.codat.calls - before + 1},  # `confirm` makes one call
            facts=facts,
        )
        return StepFindings(outcome, tuple(Finding((drift,)) for drift in found))

    def _parked(self) -> list[Drift]:
        now = self.now()
        expiring = self.parked(now, now + _WARNED_BEFORE, _MOST_PARKED)
        if not expiring:
            return []
        count = f"{len(expiring)}{' or more' if len(expiring) == _MOST_PARKED else ''}"
        text = f"{count} parked, the first expires at {min(expiring):%Y-%m-%d %H:%M} UTC"
        return [Drift(DriftKind.PARKED_EXPIRING, text)]

    def _buckets(self, run: ReconcileRun) -> int:
        """Spread the calls for companies' own settings over nights, as the last run counted."""
        earlier = self.runs.latest(before=run.reconcile_id)
        counted = (past.counts.get("with_custom", 0) for past in earlier if past.error is None)
        return buckets(next((count for count in counted if count), 0))


def _wrong_client(check: ClientCheck) -> StepFindings:
    bound = check.bound_to or "nothing: CodatClientId is empty"
    text = f"bound to {bound}; the API key belongs to {check.reported}"
    drift = Drift(DriftKind.WRONG_CLIENT, text, subject=check.reported)
    outcome = StepOutcome(Phase.ACCOUNT, counts={"codat_calls": 1})
    return StepFindings(outcome, (Finding((drift,)),), error=text)


def _unread(subject: str, places: tuple[str, ...]) -> list[Drift]:
    return [Drift(DriftKind.ANSWER_UNREADABLE, place, subject=subject) for place in places]


def _low(quota: Quota) -> list[Drift]:
    if quota.limit is None or quota.remaining is None or quota.remaining * _LOW >= quota.limit:
        return []
    text = f"{quota.remaining} of {quota.limit} requests are left today"
    return [Drift(DriftKind.QUOTA_LOW, text)]
