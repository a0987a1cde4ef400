"""Companies that vanish in numbers are not believed at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.reconcile.domain.reconcile_run import ReconcileRun, ReconcileStatus
from codat_hub.reconcile.domain.vanished import REFUSED, believed, in_numbers

NIGHT = datetime(2026, 11, 22, 2, tzinfo=UTC)


def a_run(gone, live=1000, listed=1000, hours_before=0, **fields):
    counts = {"gone": gone, "live": live, "companies": listed}
    at = NIGHT - timedelta(hours=hours_before)
    status = ReconcileStatus.COMPLETE
    return ReconcileRun(f"r{hours_before}", "x", at, status, counts=counts, **fields)


@pytest.mark.parametrize(
    ("gone", "live", "expected"),
    [(4, 4, False), (5, 250, False), (5, 249, True), (20, 1000, False), (21, 1000, True)],
)
def test_five_or_more_and_over_two_percent_are_many(gone, live, expected):
    assert in_numbers(a_run(gone, live)) is expected
    found = believed(a_run(gone, live), ["a", "b"], [], lambda _: ())
    assert found == (set() if expected else {"a", "b"})


@pytest.mark.parametrize(
    ("gone", "refused", "expected"), [(1, 3, False), (1, 4, True), (4, 1, True)]
)
def test_companies_that_codat_refused_to_refreshes_count_in_the_same_number(
    gone, refused, expected
):
    run = a_run(gone, live=200)
    run = replace(run, counts={**run.counts, REFUSED: refused})
    assert in_numbers(run) is expected


def test_an_empty_list_is_never_believed_whatever_was_before_or_is_confirmed():
    run = a_run(1, listed=0)
    earlier = [a_run(1, hours_before=24)]
    assert believed(run, ["a"], earlier, lambda _: ["a"]) == set()
    assert believed(replace(run, confirms="r24"), ["a"], earlier, lambda _: ["a"]) == set()


@pytest.mark.parametrize(
    ("hours", "expected"), [([13], "abc"), ([12], "abc"), ([11], ""), ([1, 12], "abc"), ([], "")]
)
def test_many_are_believed_if_a_run_twelve_hours_before_found_the_same(hours, expected):
    earlier = [a_run(900, hours_before=before) for before in hours]
    assert believed(a_run(900), "abc", earlier, lambda _: "abc") == set(expected)


def test_only_companies_that_were_gone_in_every_run_since_are_believed():
    gone = {"r6": "ab", "r24": "abc"}
    earlier = [a_run(900, hours_before=6), a_run(900, hours_before=24)]
    assert believed(a_run(900), "abcd", earlier, gone.__getitem__) == {"a", "b"}


def test_a_run_that_failed_or_got_an_empty_list_says_nothing():
    earlier = [
        replace(a_run(0, hours_before=6), status=ReconcileStatus.FAILED),
        a_run(900, listed=0, hours_before=20),
        a_run(900, hours_before=24),
    ]
    gone = {"r24": "abc"}
    assert believed(a_run(900), "abc", earlier, gone.__getitem__) == set("abc")
    assert believed(a_run(900), "abc", earlier[:2], gone.__getitem__) == set()


def test_a_person_confirms_the_companies_of_one_run_and_no_others():
    run = a_run(900, confirms="r1")
    assert believed(run, "abc", [], {"r1": "ab"}.__getitem__) == {"a", "b"}
