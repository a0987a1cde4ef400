"""Show the runs of reconcile and the drift that they found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Absent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codat_hub.reconcile.domain.drift import Drift, DriftKind
    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun
    from codat_hub.reconcile.ports import ReconcileRuns

_STEPS_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class DriftPage:
    """A page of drift. `following`: where the next page starts, as (step, row); None: no more."""

    drift: tuple[Drift, ...]
    following: tuple[int, int] | None


@dataclass(frozen=True)
class ShowReconciles:
    """Stored runs. Raises Absent, Unavailable, Unreadable."""

    runs: ReconcileRuns

    def page(self, before: str | None, limit: int) -> Sequence[ReconcileRun]:
        """Return the newest runs first; a brand-new run may be missing."""
        return self.runs.latest(before, limit)

    def show(self, reconcile_id: str) -> ReconcileRun:
        """Return the run of an id."""
        run, _ = self.runs.get(reconcile_id)
        if run is None:
            raise Absent(
                f"There is no reconcile {reconcile_id!r}, or it is over 90 days old."
                " tools/hub reconcile list shows the runs."
            )
        return run

    def drift(
        self, run: ReconcileRun, start: tuple[int, int], limit: int, kind: DriftKind | None = None
    ) -> DriftPage:
        """Return the listed drift from (step, row) on, in the order it was found.

        kind: only drift of this kind; None: all
        """
        found: list[Drift] = []
        for place, drift in self._from(run, start[0]):
            if place < start or kind not in {None, drift.kind}:
                continue
            if len(found) == limit:
                return DriftPage(tuple(found), place)
            found.append(drift)
        return DriftPage(tuple(found), None)

    def _from(self, run: ReconcileRun, step: int) -> Iterator[tuple[tuple[int, int], Drift]]:
        """Yield each listed drift with its (step, row), from a step on."""
        for first in range(step, run.step + 1, _STEPS_AT_ONCE):
            for number, rows in self.runs.drift(run, first, _STEPS_AT_ONCE):
                for row, drift in enumerate(rows):
                    yield (number, row), drift
