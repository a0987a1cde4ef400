"""The result of a step of a reconcile, and how a step asks Codat about single companies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codat_hub.codat.errors import CallFailed, NotFound, RateLimited, Unauthorized
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.reconcile.domain.drift import Drift
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
    error: why the run cannot go on after this step; None: it goes on
    """

    outcome: StepOutcome
    findings: tuple[Finding, ...] = ()
    seen: tuple[str, ...] = ()
    error: str | None = None


def patiently[T](run: ReconcileRun, ask: Callable[[], T]) -> T | None:
    """Ask Codat about one company; None: it is not there, or the step has failed too often.

    A company that Codat cannot answer for delays the run and does not stop it. Raises CallFailed.
    """
    try:
        return ask()
    except NotFound:
        return None
    except (RateLimited, Unauthorized):
        raise
    except CallFailed as failure:
        if run.failures < PATIENCE:
            raise
        logger.error("company passed over", reconcile_id=run.reconcile_id, cause=str(failure))
        return None
