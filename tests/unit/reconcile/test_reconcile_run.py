"""A run adds up its steps, lists a bounded part of its drift, and fails after many failures."""

from datetime import UTC, datetime, timedelta

from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import (
    LISTED_OF_A_KIND,
    LISTED_OF_A_STEP,
    MOST_FAILURES,
    MOST_INTEGRATIONS,
    Integration,
    Phase,
    ReconcileRun,
    ReconcileStatus,
    StepOutcome,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUN = ReconcileRun("r", "ann", NOON)
MINUTES = timedelta(minutes=5)


def drift(count, kind=DriftKind.COMPANY_UNKNOWN, **fields):
    return tuple(Drift(kind, "", str(number), **fields) for number in range(count))


def test_steps_are_added_up():
    step = StepOutcome(Phase.COMPANIES, "2", {"companies": 100}, {"gbol": Integration(None, 3, 2)})
    run = RUN.taken(NOON, MINUTES)
    for _ in range(2):
        run = run.after(step, drift(2, mended=True) + drift(1, DriftKind.WEBHOOK_MISSING), NOON)
    assert (run.step, run.phase, run.cursor) == (2, Phase.COMPANIES, "2")
    assert run.counts == {"companies": 200}
    assert run.drift == {"company_unknown": 4, "webhook_missing": 2}
    assert (run.mended, run.unsafe) == (4, 2)
    assert run.integrations == {"gbol": Integration(None, 6, 4)}


def test_the_last_step_completes_the_run_and_releases_the_lease():
    run = RUN.taken(NOON, MINUTES).after(StepOutcome(None), (), NOON)
    assert (run.status, run.finished_at, run.lease_until) == (ReconcileStatus.COMPLETE, NOON, None)
    assert run.over


def test_drift_is_counted_exactly_and_listed_up_to_a_bound():
    run, listed = RUN, 0
    while run.drift.get(DriftKind.COMPANY_UNKNOWN, 0) < 3 * LISTED_OF_A_KIND:
        found = drift(2 * LISTED_OF_A_STEP)
        kept = run.to_list(found)
        assert len(kept) <= LISTED_OF_A_STEP
        listed += len(kept)
        run = run.after(StepOutcome(Phase.COMPANIES), found, NOON)
    assert listed == run.listed[DriftKind.COMPANY_UNKNOWN] == LISTED_OF_A_KIND
    assert len(run.to_list(drift(5, DriftKind.COMPANY_GONE))) == 5, (
        "another kind has room of its own"
    )


def test_integrations_do_not_grow_without_end():
    many = {str(number): Integration() for number in range(2 * MOST_INTEGRATIONS)}
    run = RUN.after(StepOutcome(Phase.COMPANIES, integrations=many), (), NOON)
    assert len(run.integrations) == MOST_INTEGRATIONS


def test_a_lease_that_was_never_released_means_that_its_holder_was_killed():
    taken = RUN.taken(NOON, MINUTES)
    assert taken.held(NOON + MINUTES / 2)
    assert not taken.held(NOON + MINUTES)
    assert taken.taken(NOON + MINUTES, MINUTES).resumed == 1
    assert taken.released().taken(NOON, MINUTES).resumed == 0


def test_failures_in_a_row_end_the_run_and_a_finished_step_resets_them():
    run = RUN.taken(NOON, MINUTES)
    for _ in range(MOST_FAILURES - 1):
        run = run.interrupted("HTTP 503", NOON)
    assert run.after(StepOutcome(Phase.COMPANIES), (), NOON).failures == 0
    assert not run.over
    run = run.interrupted("HTTP 503", NOON)
    assert (run.status, run.error, run.finished_at) == (ReconcileStatus.FAILED, "HTTP 503", NOON)
