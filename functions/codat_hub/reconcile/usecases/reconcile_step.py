"""The result of a step of a reconcile, and how a step asks Codat about single companies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from codat_hub.codat.errors import (
    CallFailed,
    Forbidden,
    NotFound,
    NotUnderstood,
    Permanent,
    RateLimited,
    Unauthorized,
)
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun, StepOutcome

PATIENCE: Final = 3  # failed tries of a step, some minutes apart, before a company is left out


@dataclass(frozen=True, slots=True)
class Finding:
    """Drift with its repair; repair None: only a person can decide.

    repair: tells whether it repaired the drift; raises Unreadable, Unavailable, CallFailed
    """

    drift: tuple[Drift, ...]
    repair: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class StepFindings:
    """The result of a step.

    seen: ids of the companies that Codat listed
    gone: ids of the companies that Codat answered 404 for, with the time just before the call
    error: why the run cannot go on after this step; None: it goes on
    """

    outcome: StepOutcome
    findings: tuple[Finding, ...] = ()
    seen: tuple[str, ...] = ()
    gone: Mapping[str, datetime] = field(default_factory=dict)
    error: str | None = None


@dataclass
class Questions:
    """A step's questions to Codat about single companies.

    missed: a finding for each question without an answer; it costs its company and not the run
    """

    run: ReconcileRun
    missed: list[Finding] = field(default_factory=list)

    def ask[T](self, company_id: str, what: str, question: Callable[[], T]) -> T | None:
        """Return the answer; None: Codat does not have it, or gives no answer about it.

        what: names the answer, for a person
        Raises CallFailed for a failure that may pass, until the step has failed PATIENCE times.
        """
        try:
            return question()
        except NotFound:
            return None
        except (RateLimited, Unauthorized):
            raise
        except CallFailed as failure:
            lasting = isinstance(failure, Permanent | Forbidden | NotUnderstood)
            if not lasting and self.run.failures < PATIENCE:
                raise
            run_id = self.run.reconcile_id
            logger.warning("company passed over", reconcile_id=run_id, cause=str(failure))
            drift = Drift(DriftKind.NOT_CHECKED, _said(what, failure), company_id, subject=what)
            self.missed.append(Finding((drift,)))
            return None


def _said(what: str, failure: CallFailed) -> str:
    status = "no answer" if failure.status is None else f"HTTP {failure.status}"
    reference = failure.correlation_id and f"correlation id {failure.correlation_id}"
    return ", ".join(part for part in (f"{what}: {status}", failure.error, reference) if part)
