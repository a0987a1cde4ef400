"""A run of reconcile: its progress, its counts and its lease."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from codat_hub.reconcile.domain.drift import Drift

LISTED_OF_A_KIND: Final = 1000  # drift beyond it is counted and not listed
LISTED_OF_A_STEP: Final = 500  # keeps one note far below DynamoDB's 400 KB
MOST_FAILURES: Final = 20  # in a row, some minutes apart
MOST_INTEGRATIONS: Final = 200


class ReconcileStatus(StrEnum):
    """How far a reconcile is: `complete` and `failed` runs are over."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class Phase(StrEnum):
    """The phases in order: the whole client, Codat's list of companies, the hub's directory."""

    ACCOUNT = "account"
    COMPANIES = "companies"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Integration:
    """A platform that companies connect. `linked`: how many of the connections can sync."""

    name: str | None = None
    connections: int = 0
    linked: int = 0

    def plus(self, other: Integration) -> Integration:
        """Add the counts of another page."""
        return Integration(
            other.name or self.name,
            self.connections + other.connections,
            self.linked + other.linked,
        )


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """The result of a step, which its run adds up.

    phase, cursor: where the next step starts; phase None: this step was the last
    counts: such as companies and codat_calls; the run adds them up
    unregistered: how many companies have each product that is not registered
    facts: values that a later phase or the status needs
    """

    phase: Phase | None
    cursor: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    integrations: Mapping[str, Integration] = field(default_factory=dict)
    unregistered: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReconcileRun:
    """A run, as it is stored after each step.

    step: the number of the next step, which also numbers its stored findings
    drift, listed: all drift by kind, and how much of it is listed
    mended, unsafe: drift that the hub repaired, and drift that a person has to act on
    facts: for a later phase or the status, such as schedules, quota, client_id and buckets
    lease_until: until then another process may be at work on the run
    waiting_until: Codat's rate limit is reached; no calls before
    resumed: how often the run went on after its process was killed
    failures: failed tries of the present step, in a row; stored as `troubles`
    confirms: the run that found companies gone in numbers, which the requester confirms
    """

    reconcile_id: str
    requested_by: str
    requested_at: datetime
    status: ReconcileStatus = ReconcileStatus.QUEUED
    phase: Phase = Phase.ACCOUNT
    cursor: str | None = None
    step: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    drift: Mapping[str, int] = field(default_factory=dict)
    mended: int = 0
    unsafe: int = 0
    listed: Mapping[str, int] = field(default_factory=dict)
    integrations: Mapping[str, Integration] = field(default_factory=dict)
    unregistered: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_until: datetime | None = None
    waiting_until: datetime | None = None
    resumed: int = 0
    failures: int = 0
    error: str | None = None
    confirms: str | None = None

    @property
    def over(self) -> bool:
        """Tell whether the run has ended, well or not."""
        return self.status in {ReconcileStatus.COMPLETE, ReconcileStatus.FAILED}

    @property
    def companies_at_codat(self) -> int | None:
        """Return how many companies Codat says it has; None before the first page."""
        total = self.facts.get("companies_at_codat")
        return None if total is None else int(total)

    def held(self, now: datetime) -> bool:
        """Tell whether another process may be at work on the run."""
        return self.lease_until is not None and now < self.lease_until

    def waits(self, now: datetime) -> bool:
        """Tell whether the run waits for Codat's rate limit."""
        return self.waiting_until is not None and now < self.waiting_until

    def taken(self, now: datetime, lease: timedelta) -> ReconcileRun:
        """Take the run on. A lease that was never released means that its holder was killed."""
        killed = self.lease_until is not None
        return replace(
            self,
            status=ReconcileStatus.RUNNING,
            started_at=self.started_at or now,
            lease_until=now + lease,
            waiting_until=None,
            resumed=self.resumed + killed,
        )

    def released(self) -> ReconcileRun:
        """Give the lease back."""
        return replace(self, lease_until=None)

    def waiting(self, until: datetime) -> ReconcileRun:
        """Give the lease back, and make no call to Codat before a time."""
        return replace(self.released(), waiting_until=until)

    def interrupted(self, error: str, now: datetime) -> ReconcileRun:
        """Count a failed try of a step; after MOST_FAILURES in a row the run has failed."""
        after = replace(self.released(), failures=self.failures + 1, error=error)
        return after if after.failures < MOST_FAILURES else after.failed(error, now)

    def failed(self, error: str, now: datetime) -> ReconcileRun:
        """End the run with an error."""
        return replace(self.released(), status=ReconcileStatus.FAILED, error=error, finished_at=now)

    def to_list(self, drift: Iterable[Drift]) -> tuple[Drift, ...]:
        """Return the part of a step's drift that is listed, up to both limits."""
        listed = dict(self.listed)
        kept: list[Drift] = []
        for found in drift:
            if listed.get(found.kind, 0) < LISTED_OF_A_KIND and len(kept) < LISTED_OF_A_STEP:
                listed[found.kind] = listed.get(found.kind, 0) + 1
                kept.append(found)
        return tuple(kept)

    def after(self, outcome: StepOutcome, drift: tuple[Drift, ...], now: datetime) -> ReconcileRun:
        """Add a finished step and its drift; the last step completes the run."""
        done = outcome.phase is None
        return replace(
            self,
            status=ReconcileStatus.COMPLETE if done else ReconcileStatus.RUNNING,
            phase=outcome.phase or self.phase,
            cursor=outcome.cursor,
            step=self.step + 1,
            counts=_sum(self.counts, outcome.counts),
            drift=_sum(self.drift, _count(drift)),
            mended=self.mended + sum(found.mended for found in drift),
            unsafe=self.unsafe + sum(found.unsafe for found in drift),
            listed=_sum(self.listed, _count(self.to_list(drift))),
            integrations=_merged(self.integrations, outcome.integrations),
            unregistered=_sum(self.unregistered, outcome.unregistered),
            facts={**self.facts, **outcome.facts},
            finished_at=now if done else None,
            lease_until=None if done else self.lease_until,
            failures=0,
            error=None,
        )


def _count(drift: Iterable[Drift]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for found in drift:
        counts[found.kind.value] = counts.get(found.kind.value, 0) + 1
    return counts


def _sum(known: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: known.get(name, 0) + more.get(name, 0) for name in known.keys() | more.keys()}


def _merged(
    known: Mapping[str, Integration], more: Mapping[str, Integration]
) -> dict[str, Integration]:
    merged = dict(known)
    for key, integration in more.items():
        if key in merged or len(merged) < MOST_INTEGRATIONS:
            merged[key] = merged.get(key, Integration()).plus(integration)
    return merged
