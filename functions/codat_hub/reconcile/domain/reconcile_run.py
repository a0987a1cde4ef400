"""One run of reconcile: how far it has come, what it has counted, who is at work on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from codat_hub.reconcile.domain.drift import EXPLAINED, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from codat_hub.reconcile.domain.drift import Drift

LISTED_OF_A_KIND: Final = 1000  # more of them are counted and not listed
LISTED_OF_A_STEP: Final = 500  # keeps one note far below DynamoDB's 400 KB
MOST_TROUBLES: Final = 20  # in a row, each some minutes after the one before
MOST_INTEGRATIONS: Final = 200


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


class Phase(StrEnum):
    """In order: the client as a whole, Codat's list of companies, our own directory."""

    ACCOUNT = "account"
    COMPANIES = "companies"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class Integration:
    """A platform that companies are connected by, such as `gbol`."""

    name: str | None = None
    connections: int = 0
    linked: int = 0

    def plus(self, other: Integration) -> Integration:
        return Integration(
            other.name or self.name,
            self.connections + other.connections,
            self.linked + other.linked,
        )


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step found out: counts are added up, facts and integrations kept.

    phase, cursor: where the next step starts; phase None: that was the last
    counts: such as companies, codat_calls, writes
    """

    phase: Phase | None
    cursor: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    integrations: Mapping[str, Integration] = field(default_factory=dict)
    unregistered: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """`step` numbers the notes; `listed` counts the drift that is listed, `drift` all of it.

    lease_until: until then whoever took it on may be at work
    waiting_until: Codat's limit is reached; no calls before
    facts: what a later phase or the status needs: schedules, quota, client_id, buckets
    """

    reconcile_id: str
    requested_by: str
    requested_at: datetime
    status: Status = Status.QUEUED
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
    troubles: int = 0
    error: str | None = None

    @property
    def over(self) -> bool:
        return self.status in {Status.COMPLETE, Status.FAILED}

    def held(self, now: datetime) -> bool:
        """Tell whether somebody may be at work on it."""
        return self.lease_until is not None and now < self.lease_until

    def waits(self, now: datetime) -> bool:
        return self.waiting_until is not None and now < self.waiting_until

    def taken(self, now: datetime, lease: timedelta) -> Run:
        """Take it on; a lease that nobody gave back means that its holder was killed."""
        killed = self.lease_until is not None
        return replace(
            self,
            status=Status.RUNNING,
            started_at=self.started_at or now,
            lease_until=now + lease,
            waiting_until=None,
            resumed=self.resumed + killed,
        )

    def released(self) -> Run:
        return replace(self, lease_until=None)

    def waiting(self, until: datetime) -> Run:
        return replace(self.released(), waiting_until=until)

    def troubled(self, error: str, now: datetime) -> Run:
        """Note that a step must be done again; after too many in a row the run has failed."""
        after = replace(self.released(), troubles=self.troubles + 1, error=error)
        return after if after.troubles < MOST_TROUBLES else after.failed(error, now)

    def failed(self, error: str, now: datetime) -> Run:
        return replace(self.released(), status=Status.FAILED, error=error, finished_at=now)

    def to_list(self, drift: Iterable[Drift]) -> tuple[Drift, ...]:
        """Return those of a step's drift that are listed; counts are exact without the others."""
        listed = dict(self.listed)
        kept: list[Drift] = []
        for one in drift:
            if listed.get(one.kind, 0) < LISTED_OF_A_KIND and len(kept) < LISTED_OF_A_STEP:
                listed[one.kind] = listed.get(one.kind, 0) + 1
                kept.append(one)
        return tuple(kept)

    def after(self, stepped: Stepped, drift: tuple[Drift, ...], now: datetime) -> Run:
        """Add a step that is done."""
        done = stepped.phase is None
        return replace(
            self,
            status=Status.COMPLETE if done else Status.RUNNING,
            phase=stepped.phase or self.phase,
            cursor=stepped.cursor,
            step=self.step + 1,
            counts=_sum(self.counts, stepped.counts),
            drift=_sum(self.drift, _count(drift)),
            mended=self.mended + sum(one.mended for one in drift),
            unsafe=self.unsafe + sum(one.unsafe for one in drift),
            listed=_sum(self.listed, _count(self.to_list(drift))),
            integrations=_merged(self.integrations, stepped.integrations),
            unregistered=_sum(self.unregistered, stepped.unregistered),
            facts={**self.facts, **stepped.facts},
            finished_at=now if done else None,
            lease_until=None if done else self.lease_until,
            troubles=0,
            error=None,
        )

    def by_severity(self) -> dict[Severity, int]:
        """Count the drift by how bad its kind is, mended or not."""
        found = dict.fromkeys(Severity, 0)
        for kind, count in self.drift.items():
            found[EXPLAINED[kind].severity] += count  # type: ignore[index]  # a Kind is a text
        return found


def _count(drift: Iterable[Drift]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in drift:
        counts[one.kind.value] = counts.get(one.kind.value, 0) + 1
    return counts


def _sum(known: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: known.get(name, 0) + more.get(name, 0) for name in known.keys() | more.keys()}


def _merged(
    known: Mapping[str, Integration], more: Mapping[str, Integration]
) -> dict[str, Integration]:
    merged = dict(known)
    for key, one in more.items():
        if key in merged or len(merged) < MOST_INTEGRATIONS:
            merged[key] = merged.get(key, Integration()).plus(one)
    return merged
