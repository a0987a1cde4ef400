"""Which planner may go on with a run, and when a company's ticket is due."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from codat_hub.refresh.domain.refresh_run import OWNED_FOR, RefreshRun, jitter, owned

SLOT = datetime(2026, 7, 1, tzinfo=UTC)
RUN = RefreshRun("a", SLOT)
windows = st.timedeltas(timedelta(0), timedelta(hours=1))


def test_a_run_is_free_until_a_planner_owns_it_and_again_after_two_minutes():
    mine = owned(RUN, SLOT)
    assert RUN.free(SLOT)
    assert not mine.free(SLOT + OWNED_FOR - timedelta(microseconds=1))
    assert mine.free(SLOT + OWNED_FOR)


def test_a_finished_run_is_never_free():
    assert not replace(RUN, done=True).free(SLOT + timedelta(days=1))


@given(st.text(), windows)
def test_the_jitter_is_within_the_window_and_always_the_same(company_id, window):
    first = jitter(company_id, SLOT, window)
    assert timedelta(0) <= first <= window
    assert jitter(company_id, SLOT, window) == first


def test_the_jitter_spreads_companies_over_the_window_anew_for_each_slot():
    window = timedelta(minutes=10)
    waits = [jitter(f"c{number}", SLOT, window) for number in range(1000)]
    thirds = [sum(wait // (window / 3) == third for wait in waits) for third in range(3)]
    assert min(thirds) > 250
    assert jitter("c1", SLOT, window) != jitter("c1", SLOT + timedelta(hours=8), window)
