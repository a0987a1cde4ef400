"""Hold what Codat says against what the hub knows: one run, step by step, that can be resumed.

A step is a page of companies or the like. It is noted before its mends, and again after them, and
then the run moves on; so whoever is killed has one step done again, in which what was mended before
is still told. Two never work on one run at once: the run is leased, and written by version.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from codat_hub.codat.errors import (
    CallFailed,
    Forbidden,
    NotFound,
    Permanent,
    RateLimited,
    Unauthorized,
    WrongClient,
)
from codat_hub.errors import Absent, Unavailable, Unreadable
from codat_hub.reconcile.domain.drift import Kind
from codat_hub.reconcile.domain.reconcile_run import Run
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from codat_hub.reconcile.domain.drift import Drift
    from codat_hub.reconcile.domain.reconcile_run import Phase, Stepped

_NOTES_AT_ONCE: Final = 50
_PATIENCE: Final = 3  # tries at a step, some minutes apart, before single companies are passed over
_LASTING: Final = (Permanent, Forbidden, NotFound)  # no repetition will help
# Kinds that steps mend: what an earlier try of a step noted and this one does not find is mended.
_MENDABLE: Final = frozenset(
    {
        Kind.COMPANY_UNKNOWN,
        Kind.COMPANY_OUTDATED,
        Kind.COMPANY_GONE,
        Kind.CONNECTION_STATUS,
        Kind.PRODUCT_UNASSIGNED,
        Kind.ASSIGNMENT_STALE,
        Kind.INTENT_LEFT,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Drift that one mend puts right; None: only a person can. The mend tells whether it did."""

    drift: tuple[Drift, ...]
    mend: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a step found. `seen`: companies that Codat listed; `error`: the run cannot go on."""

    stepped: Stepped
    findings: tuple[Finding, ...] = ()
    seen: tuple[str, ...] = ()
    error: str | None = None


class Step(Protocol):
    def __call__(self, run: Run, /) -> Found: ...


class Runs(Protocol):
    def get(self, reconcile_id: str) -> tuple[Run | None, int]: ...
    def put(self, run: Run, version: int) -> bool: ...
    def note(self, run: Run, drift: Iterable[Drift]) -> None: ...
    def noted(self, run: Run) -> tuple[Drift, ...]: ...
    def see(self, run: Run, company_ids: Iterable[str]) -> None: ...


class PresentRun(Protocol):
    def get(self, reconcile_id: str) -> tuple[Run | None, int]: ...
    def present(self) -> tuple[str | None, int]: ...
    def begin(self, run: Run, version: int) -> bool: ...


class KeptRuns(Protocol):
    def get(self, reconcile_id: str) -> tuple[Run | None, int]: ...
    def latest(self, before: str | None = None, limit: int = 10) -> list[Run]: ...
    def drift(self, run: Run, step: int, steps: int) -> list[tuple[int, tuple[Drift, ...]]]: ...


class Queue(Protocol):
    def send(self, reconcile_id: str) -> None: ...


def patiently[T](run: Run, ask: Callable[[], T]) -> T | None:
    """Ask Codat about one company. None: it is not there, or the step failed often enough.

    So one company that Codat cannot answer for holds up the run for a while, and not for good.
    Raises CallFailed.
    """
    try:
        return ask()
    except NotFound:
        return None
    except (RateLimited, Unauthorized):
        raise
    except CallFailed as trouble:
        if run.troubles < _PATIENCE:
            raise
        logger.error("company passed over", reconcile_id=run.reconcile_id, cause=str(trouble))
        return None


def a_new_id(now: datetime, source: str | None = None) -> str:
    """Return an id that sorts by time; of the same source always the same."""
    tail = (source or uuid.uuid4().hex)[:8]
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{tail}"


@dataclass(frozen=True)
class BeginReconcile:
    """Call it with who asks for a run; returns the run that is not over yet, else a new one.

    Raises Unavailable.
    """

    runs: PresentRun
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, requested_by: str, reconcile_id: str | None = None) -> Run:
        """`reconcile_id`: of a request that may come twice; it sorts by time."""
        now = self.now()
        run = Run(reconcile_id or a_new_id(now), requested_by, now)
        for _ in range(3):
            begun, _ = self.runs.get(run.reconcile_id)
            if begun is not None:
                return begun
            present, version = self.runs.present()
            unfinished = present and self.runs.get(present)[0]
            if unfinished and not unfinished.over:
                return unfinished
            if self.runs.begin(run, version):
                logger.info("reconcile begun", reconcile_id=run.reconcile_id, by=requested_by)
                return run
        raise Unavailable("others kept beginning a reconcile")


@dataclass(frozen=True)
class StartReconcile:
    """Begin a run, or find the one that is under way, and hand it to the function that works on it.

    One that was left behind is taken up by this. Raises Unavailable.
    """

    begin: BeginReconcile
    queue: Queue

    def __call__(self, requested_by: str) -> Run:
        run = self.begin(requested_by)
        self.queue.send(run.reconcile_id)
        return run


@dataclass(frozen=True, slots=True)
class DriftPage:
    """`following`: where the next page begins, as (step, row); None: this was the last."""

    drift: tuple[Drift, ...]
    following: tuple[int, int] | None


@dataclass(frozen=True)
class ShowReconciles:
    """What the runs found. Raises Absent, Unavailable."""

    runs: KeptRuns

    def page(self, before: str | None, limit: int) -> list[Run]:
        """Return the newest first; a run that was begun this moment may lack yet."""
        return self.runs.latest(before, limit)

    def one(self, reconcile_id: str) -> Run:
        run, _ = self.runs.get(reconcile_id)
        if run is None:
            raise Absent(f"There is no reconcile {reconcile_id!r}, or it is over 90 days old.")
        return run

    def drift(
        self, run: Run, start: tuple[int, int], limit: int, kind: Kind | None = None
    ) -> DriftPage:
        """Return the drift that is listed, in the order it was found; `kind`: only that."""
        found: list[Drift] = []
        step, _ = start
        while step <= run.step:
            for at, drift in self.runs.drift(run, step, _NOTES_AT_ONCE):
                for place, one in enumerate(drift):
                    if (at, place) < start or kind not in {None, one.kind}:
                        continue
                    if len(found) == limit:
                        return DriftPage(tuple(found), (at, place))
                    found.append(one)
            step += _NOTES_AT_ONCE
        return DriftPage(tuple(found), None)


@dataclass(frozen=True)
class Reconcile:
    """Call it with a run's id until it says that the run is over.

    steps: one for each phase
    barred_until: when Codat's limit ends, if it is known to be reached
    """

    runs: Runs
    steps: Mapping[Phase, Step]
    barred_until: Callable[[], datetime | None] = lambda: None
    done: Callable[[Run], Any] = lambda _run: None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self, reconcile_id: str, has_time: Callable[[], bool], lease: timedelta) -> bool:
        """`lease`: how long this call lasts at most. Raises Unavailable; then call again."""
        run, version = self.runs.get(reconcile_id)
        if run is None:
            logger.error("reconcile is not known", reconcile_id=reconcile_id)
            return True
        if run.over:
            return True
        now = self.now()
        if run.held(now) or run.waits(now):
            return False
        work = _Work(self, run.taken(now, lease), version)
        if not work.save(work.run):
            return False
        return work.go_on(has_time)


class _Work:
    """One call's share of a run; `version` is of the run as it was saved last."""

    def __init__(self, reconcile: Reconcile, run: Run, version: int) -> None:
        self.run = run
        self._version = version
        self._of = reconcile
        self._is_first = True

    def save(self, run: Run) -> bool:
        """Write the run; False: another has taken it over."""
        if not self._of.runs.put(run, self._version):
            logger.warning("reconcile is somebody else's now", reconcile_id=run.reconcile_id)
            return False
        self.run, self._version = run, self._version + 1
        if run.over:
            logger.info(
                "reconcile over",
                reconcile_id=run.reconcile_id,
                status=run.status,
                cause=run.error,
                counts=dict(run.counts),
                drift=dict(run.drift),
            )
            self._of.done(run)
        return True

    def go_on(self, has_time: Callable[[], bool]) -> bool:
        while not self.run.over:
            if not has_time():
                self.save(self.run.released())
                return False
            if not self.save(self._after_a_step()) or not (self.run.over or self.run.lease_until):
                return False
        return True

    def _after_a_step(self) -> Run:
        """Return the run with one more step done, or with the reason why it was not."""
        run, now = self.run, self._of.now
        try:
            barred = self._of.barred_until()
            if barred is not None and barred > now():
                return run.waiting(barred)
            return self._step()
        except Unavailable:
            raise
        except RateLimited as limit:
            logger.warning("reconcile waits", reconcile_id=run.reconcile_id, cause=str(limit))
            return run.waiting(limit.retry_at or now())
        except (WrongClient, *_LASTING) as refusal:
            logger.error("reconcile failed", reconcile_id=run.reconcile_id, cause=str(refusal))
            return run.failed(str(refusal), now())
        except (CallFailed, Unreadable) as trouble:
            logger.warning(
                "reconcile interrupted", reconcile_id=run.reconcile_id, cause=str(trouble)
            )
            return run.troubled(str(trouble), now())
        except Exception as fault:  # noqa: BLE001  # a fault of ours must not be tried for hours
            logger.exception("reconcile failed", reconcile_id=run.reconcile_id)
            return run.failed(f"fault: {type(fault).__name__}", now())

    def _step(self) -> Run:
        found = self._of.steps[self.run.phase](self.run)
        drift = self._settled(found.findings)
        if found.seen:
            self._of.runs.see(self.run, found.seen)
        after = self.run.after(found.stepped, drift, self._of.now())
        return after.failed(found.error, self._of.now()) if found.error else after

    def _settled(self, findings: tuple[Finding, ...]) -> tuple[Drift, ...]:
        """Note what was found, mend it, note how that went."""
        runs, run = self._of.runs, self.run
        earlier = runs.noted(run) if self._is_first else ()
        self._is_first = False
        again = {one.identity for finding in findings for one in finding.drift}
        before = tuple(
            replace(one, mended=True)
            for one in earlier
            if one.identity not in again and one.kind in _MENDABLE
        )
        if any(finding.mend for finding in findings):
            planned = tuple(one for finding in findings for one in finding.drift)
            runs.note(run, run.to_list(before + planned))
        drift = before + tuple(one for finding in findings for one in _mended(finding))
        if drift or earlier:
            runs.note(run, run.to_list(drift))
        return drift


def _mended(finding: Finding) -> tuple[Drift, ...]:
    try:
        done = finding.mend is not None and finding.mend()
    except Unreadable:
        done = False
    if not done:
        return finding.drift
    return tuple(replace(one, mended=True) for one in finding.drift)
