"""A run adds up its steps, lists a bounded part of its drift, and gives up after many troubles."""

from datetime import UTC, datetime, timedelta

from codat_hub.reconcile.domain.drift import Drift, Kind
from codat_hub.reconcile.domain.reconcile_run import (
    LISTED_OF_A_KIND,
    LISTED_OF_A_STEP,
    MOST_INTEGRATIONS,
    MOST_TROUBLES,
    Integration,
    Phase,
    Run,
    Status,
    Stepped,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUN = Run("r", "ann", NOON)
MINUTES = timedelta(minutes=5)


def drift(count, kind=Kind.COMPANY_UNKNOWN, **fields):
    return tuple(Drift(kind, "", str(number), **fields) for number in range(count))


def test_steps_are_added_up():
    step = Stepped(Phase.COMPANIES, "2", {"companies": 100}, {"gbol": Integration(None, 3, 2)})
    run = RUN.taken(NOON, MINUTES)
    for _ in range(2):
        run = run.after(step, drift(2, mended=True) + drift(1, Kind.WEBHOOK_MISSING), NOON)
    assert (run.step, run.phase, run.cursor) == (2, Phase.COMPANIES, "2")
    assert run.counts == {"companies": 200}
    assert run.drift == {"company_unknown": 4, "webhook_missing": 2}
    assert (run.mended, run.unsafe) == (4, 2)
    assert run.integrations == {"gbol": Integration(None, 6, 4)}


def test_the_last_step_completes_it_and_gives_the_lease_back():
    run = RUN.taken(NOON, MINUTES).after(Stepped(None), (), NOON)
    assert (run.status, run.finished_at, run.lease_until) == (Status.COMPLETE, NOON, None)
    assert run.over


def test_drift_is_counted_exactly_and_listed_up_to_a_bound():
    run, listed = RUN, 0
    while run.drift.get(Kind.COMPANY_UNKNOWN, 0) < 3 * LISTED_OF_A_KIND:
        found = drift(2 * LISTED_OF_A_STEP)
        kept = run.to_list(found)
        assert len(kept) <= LISTED_OF_A_STEP
        listed += len(kept)
        run = run.after(Stepped(Phase.COMPANIES), found, NOON)
    assert listed == run.listed[Kind.COMPANY_UNKNOWN] == LISTED_OF_A_KIND
    assert len(run.to_list(drift(5, Kind.COMPANY_GONE))) == 5, "another kind has room of its own"


def test_integrations_do_not_grow_without_end():
    many = {str(number): Integration() for number in range(2 * MOST_INTEGRATIONS)}
    run = RUN.after(Stepped(Phase.COMPANIES, integrations=many), (), NOON)
    assert len(run.integrations) == MOST_INTEGRATIONS


def test_a_lease_that_was_never_given_back_means_that_somebody_was_killed():
    taken = RUN.taken(NOON, MINUTES)
    assert taken.held(NOON + MINUTES / 2)
    assert not taken.held(NOON + MINUTES)
    assert taken.taken(NOON + MINUTES, MINUTES).resumed == 1
    assert taken.released().taken(NOON, MINUTES).resumed == 0


def test_troubles_in_a_row_end_it_and_a_step_forgets_them():
    run = RUN.taken(NOON, MINUTES)
    for _ in range(MOST_TROUBLES - 1):
        run = run.troubled("HTTP 503", NOON)
    assert run.after(Stepped(Phase.COMPANIES), (), NOON).troubles == 0
    assert not run.over
    run = run.troubled("HTTP 503", NOON)
    assert (run.status, run.error, run.finished_at) == (Status.FAILED, "HTTP 503", NOON)
