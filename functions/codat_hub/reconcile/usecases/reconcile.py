"""Work on a run of reconcile step by step, so that a killed run goes on where it stopped.

A step is a page of companies, for example. Its findings are stored before its repairs and again
after them, and then the run moves on. After a crash the step is repeated, and the repeated step
still reports what the first try repaired. The run has a lease and is written by version, so two
processes never work on one run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.errors import (
    CallFailed,
    Forbidden,
    NotFound,
    Permanent,
    RateLimited,
    WrongClient,
)
from codat_hub.errors import Unavailable, Unreadable
from codat_hub.reconcile.domain.drift import RECOUNTED_AFTER_A_KILL
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from codat_hub.reconcile.domain.drift import Drift
    from codat_hub.reconcile.domain.reconcile_run import Phase, ReconcileRun
    from codat_hub.reconcile.ports import ReconcileRuns
    from codat_hub.reconcile.usecases.reconcile_step import Finding, StepFindings

_PAUSE: Final = timedelta(minutes=1)  # after a 429 that does not say how long it lasts
_LASTING: Final = (WrongClient, Permanent, Forbidden, NotFound)  # no repetition will help


@dataclass(frozen=True)
class Reconcile:
    """Call it with a run's id until it returns True: the run is over.

    steps: one for each phase
    blocked_until: returns when Codat's rate limit ends; None: no limit is known to be reached
    done: is called with each run that is over
    """

    runs: ReconcileRuns
    steps: Mapping[Phase, Callable[[ReconcileRun], StepFindings]]
    blocked_until: Callable[[], datetime | None] = lambda: None
    done: Callable[[ReconcileRun], Any] = lambda _run: None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __call__(self, reconcile_id: str, has_time: Callable[[], bool], lease: timedelta) -> bool:
        """Work on the run while there is time, and tell whether it is over.

        has_time: tells before each step whether the step fits into the time that is left
        lease: longer than this call can last
        Raises Unavailable, Unreadable; then call again.
        """
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
        return work.save(work.run) and work.go_on(has_time)


class _Work:
    """One process's work on a run. `version`: the run's, as it was read or saved last."""

    def __init__(self, reconcile: Reconcile, run: ReconcileRun, version: int) -> None:
        self.run = run
        self._version = version
        self._reconcile = reconcile
        self._is_first = True

    def save(self, run: ReconcileRun) -> bool:
        """Write the run; False: another process has taken it over."""
        if not self._reconcile.runs.put(run, self._version):
            logger.warning("another process has the reconcile now", reconcile_id=run.reconcile_id)
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
            self._reconcile.done(run)
        return True

    def go_on(self, has_time: Callable[[], bool]) -> bool:
        """Do steps until the run is over; False: the run goes on later, or in another process."""
        while not self.run.over:
            if not has_time():
                self.save(self.run.released())
                return False
            if not self.save(self._after_a_step()) or not (self.run.over or self.run.lease_until):
                return False
        return True

    def _after_a_step(self) -> ReconcileRun:
        """Return the run after one more step, or with the reason why the step was not done."""
        run, now = self.run, self._reconcile.now
        try:
            blocked_until = self._reconcile.blocked_until()
            if blocked_until is not None and blocked_until > now():
                return run.waiting(blocked_until)
            return self._step()
        except Unavailable:
            raise
        except RateLimited as limit:
            logger.warning("reconcile waits", reconcile_id=run.reconcile_id, cause=str(limit))
            return run.waiting(limit.retry_at or now() + _PAUSE)
        except _LASTING as refusal:
            logger.error("reconcile failed", reconcile_id=run.reconcile_id, cause=str(refusal))
            return run.failed(str(refusal), now())
        except (CallFailed, Unreadable) as failure:
            logger.warning(
                "reconcile interrupted", reconcile_id=run.reconcile_id, cause=str(failure)
            )
            return run.interrupted(str(failure), now())
        except Exception as fault:  # noqa: BLE001  # repeating a fault of ours takes hours for nothing
            logger.exception("reconcile failed", reconcile_id=run.reconcile_id)
            return run.failed(f"fault: {type(fault).__name__}", now())

    def _step(self) -> ReconcileRun:
        found = self._reconcile.steps[self.run.phase](self.run)
        drift = self._repaired(found.findings)
        if found.seen:
            self._reconcile.runs.see(self.run, found.seen)
        if found.gone:
            self._reconcile.runs.keep_gone(self.run, found.gone)
        after = self.run.after(found.outcome, drift, self._reconcile.now())
        return after.failed(found.error, self._reconcile.now()) if found.error else after

    def _repaired(self, findings: tuple[Finding, ...]) -> tuple[Drift, ...]:
        """Store the findings, repair them, and store which repairs succeeded."""
        runs, run = self._reconcile.runs, self.run
        earlier = runs.noted(run) if self._is_first else ()
        self._is_first = False
        planned = tuple(drift for finding in findings for drift in finding.drift)
        before = tuple(_repaired_earlier(earlier, planned))
        if any(finding.repair for finding in findings):
            runs.note(run, run.to_list(before + planned))
        drift = before + tuple(drift for finding in findings for drift in _repair(finding))
        if drift or earlier:
            runs.note(run, run.to_list(drift))
        return drift


def _repaired_earlier(earlier: Iterable[Drift], present: Iterable[Drift]) -> Iterable[Drift]:
    """Return the drift that a killed try of the step repaired: it is not found any more."""
    found = {drift.identity for drift in present}
    return (
        replace(drift, mended=True)
        for drift in earlier
        if drift.identity not in found and drift.kind in RECOUNTED_AFTER_A_KILL
    )


def _repair(finding: Finding) -> tuple[Drift, ...]:
    """Return the finding's drift, marked if its repair succeeds."""
    try:
        done = finding.repair is not None and finding.repair()
    except Unreadable:
        done = False
    if not done:
        return finding.drift
    return tuple(replace(drift, mended=True) for drift in finding.drift)
