"""Days of refreshes with every kind of fault drawn in: all that could be served was served."""

import pytest

from tools.simulation.refresh_faults import FAULTS, ODD, a_month_of_faults, wake_ups
from tools.simulation.silence import silence

MET = {*FAULTS, *ODD, "the answer is lost"}


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def month(request):
    with silence():
        return a_month_of_faults(companies=60, days=4, seed=request.param)


def test_no_slot_is_missed_or_ends_without_the_refresh_that_a_later_try_brings(month):
    assert month.slots > 400
    assert month.missed == []
    assert month.unserved == []
    assert month.busiest <= 900
    assert month.unreadable <= 10


def test_an_odd_company_costs_itself(month):
    assert all(count for count in month.odd.values())
    assert {ended.rpartition(": ")[2] for ended in month.odd} <= {"failed", "no ticket"}


def test_faults_of_most_kinds_are_met(month):
    assert month.met.keys() <= MET
    assert len(month.met) > len(MET) / 2


def test_however_a_turn_ends_the_next_refresh_of_the_company_goes_within_seconds():
    with silence():
        found = wake_ups()
    assert len(found) == 13
    late = {how for how, seconds in found.items() if seconds is None or seconds > 5}
    assert late == set()
