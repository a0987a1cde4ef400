"""Decide whether companies that Codat no longer has are gone, or whether Codat has a bad night."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from codat_hub.reconcile.domain.reconcile_run import ReconcileRun

REFUSED: Final = "refused_as_unknown"  # of a run's counts: companies that Codat has, refused before
MANY: Final = 5  # of fewer, each is believed
_PART: Final = 50  # more than a fiftieth of the companies, so over 2 %
BELIEVED_AFTER: Final = timedelta(hours=12)


def in_numbers(run: ReconcileRun) -> bool:
    """Tell whether so many companies are gone in a run that one run is not believed.

    Companies that Codat has, but refused as unknown to a refresh before the run, count too.
    """
    answered_404, live = answers_404(run), run.counts.get("live", 0)
    return _list_was_empty(run) or (answered_404 >= MANY and answered_404 * _PART > live)


def answers_404(run: ReconcileRun) -> int:
    """Return for how many companies Codat answered 404: to the run, or to a refresh before it."""
    return run.counts.get("gone", 0) + run.counts.get(REFUSED, 0)


def believed(
    run: ReconcileRun,
    gone: Collection[str],
    earlier: Iterable[ReconcileRun],
    gone_in: Callable[[str], Collection[str]],
) -> set[str]:
    """Return the companies, out of those that are gone in a run, that are believed to be gone.

    earlier: the runs before, the newest first
    gone_in: returns the companies that were gone in a run
    In numbers, a company is believed to be gone if it was gone 12 hours before and in every
    complete run since, or if a person confirms the run that found it. An empty list is never
    believed.
    """
    if _list_was_empty(run):
        return set()
    if not in_numbers(run):
        return set(gone)
    left = set(gone)
    if run.confirms is not None:
        return left & set(gone_in(run.confirms))
    for past in earlier:
        if past.status is not ReconcileStatus.COMPLETE or _list_was_empty(past):
            continue
        left &= set(gone_in(past.reconcile_id))
        if run.requested_at - past.requested_at >= BELIEVED_AFTER:
            return left
    return set()


def _list_was_empty(run: ReconcileRun) -> bool:
    return run.counts.get("companies", 0) == 0
