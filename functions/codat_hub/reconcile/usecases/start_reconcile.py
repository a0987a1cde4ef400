"""Start a run of reconcile, or join the run that is under way."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from codat_hub.errors import Absent, Conflict
from codat_hub.reconcile.domain.reconcile_run import ReconcileRun
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.reconcile.ports import ReconcileRuns
    from codat_hub.storage.ports import IdSender


def a_new_id(now: datetime, source: str | None = None) -> str:
    """Return an id that sorts by time; the same time and source always give the same id."""
    tail = (source or uuid.uuid4().hex)[:8]
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{tail}"


@dataclass(frozen=True)
class BeginReconcile:
    """Return the run that is under way, or else a new one. Raises Unavailable, Unreadable."""

    runs: ReconcileRuns
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(
        self, requested_by: str, reconcile_id: str | None = None, *, confirms: str | None = None
    ) -> ReconcileRun:
        """Return the run. `reconcile_id`: from `a_new_id`, for a request that may come twice."""
        now = self.now()
        own_id = reconcile_id or a_new_id(now)
        run = ReconcileRun(own_id, requested_by, now, confirms=confirms)
        known, _ = update(
            lambda: self._known(run.reconcile_id),
            lambda known: run if known is None else None,
            self.runs.begin,
            "the reconcile under way",
        )
        if known is not None:
            return known
        logger.info("reconcile started", reconcile_id=run.reconcile_id, by=requested_by)
        return run

    def _known(self, reconcile_id: str) -> tuple[ReconcileRun | None, int]:
        """Return the run of that id, or the run under way, and the version for `begin`."""
        same, _ = self.runs.get(reconcile_id)
        if same is not None:
            return same, 0
        present, version = self.runs.present()
        latest = self.runs.get(present)[0] if present else None
        return (None if latest is None or latest.over else latest), version


@dataclass(frozen=True)
class StartReconcile:
    """Begin a run, or find the run under way, and queue it for the function that works on it.

    A run that was left behind goes on after this. Raises Unavailable, Unreadable; Absent and
    Conflict for a confirmation of a run that is unknown, or while another run is under way.
    """

    begin: BeginReconcile
    queue: IdSender

    def __call__(self, requested_by: str, confirms: str | None = None) -> ReconcileRun:
        """Return the run. `confirms`: the run that found companies gone, which are so indeed."""
        if confirms is not None and self.begin.runs.get(confirms)[0] is None:
            raise Absent(f"No reconcile {confirms!r} is known: `tools/hub reconcile list`.")
        run = self.begin(requested_by, confirms=confirms)
        self.queue.send(run.reconcile_id)
        if run.confirms != confirms and confirms is not None:
            raise Conflict(
                f"Reconcile {run.reconcile_id} is under way and was started without this "
                "confirmation. Confirm again when it is over."
            )
        return run
