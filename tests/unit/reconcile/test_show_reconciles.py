"""The drift of a run is listed in pages: every row once, in the order it was found."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.errors import Absent
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import Phase, ReconcileRun, StepOutcome
from codat_hub.reconcile.usecases.show_reconciles import ShowReconciles
from tools.simulation.fakes import FakeStateTable

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KINDS = [DriftKind.COMPANY_UNKNOWN, DriftKind.WEBHOOK_MISSING]

steps = st.dictionaries(
    st.integers(0, 150),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    max_size=8,
)


def a_run(runs, found):
    """Store a run whose steps found drift of these kinds; return it and its drift in order."""
    run, listed = ReconcileRun("r", "ann", NOON), []
    for step in range(max(found, default=0) + 1):
        drift = tuple(
            Drift(kind, "", f"c{step}-{row}") for row, kind in enumerate(found.get(step, ()))
        )
        if drift:
            runs.note(run, drift)
        listed += drift
        run = run.after(StepOutcome(Phase.COMPANIES), drift, NOON)
    return run, listed


def pages(show, run, limit, kind=None):
    place, found = (0, 0), []
    while place is not None:
        page = show.drift(run, place, limit, kind)
        assert len(page.drift) <= limit
        found += page.drift
        place = page.following
    return found


@given(steps, st.integers(1, 9), st.sampled_from([None, *KINDS]))
def test_every_row_of_a_kind_comes_once_whatever_the_page(found, limit, kind):
    runs = ReconcileRunStore(FakeStateTable())
    run, listed = a_run(runs, found)
    wanted = [drift for drift in listed if kind in {None, drift.kind}]
    assert pages(ShowReconciles(runs), run, limit, kind) == wanted


def test_a_page_that_ends_with_the_last_row_has_no_next_page():
    runs = ReconcileRunStore(FakeStateTable())
    run, listed = a_run(runs, {0: KINDS})
    page = ShowReconciles(runs).drift(run, (0, 0), 2)
    assert (list(page.drift), page.following) == (listed, None)


def test_an_unknown_run_is_absent_and_the_text_names_the_command_that_lists_runs():
    with pytest.raises(Absent, match="tools/hub reconcile list"):
        ShowReconciles(ReconcileRunStore(FakeStateTable())).show("r")
