"""Days of refreshes in seconds: every slot is accepted once or closed with its reason."""

import pytest

from tools.simulation.refresh_histories import a_month, busy_companies
from tools.simulation.silence import silence


@pytest.mark.parametrize("seed", [1, 2])
def test_every_slot_of_each_product_is_accepted_once_or_closed_with_its_reason(seed):
    with silence():
        history = a_month(companies=200, days=5, seed=seed)
    assert history.slots > 1500
    assert history.missed == []
    assert history.unexplained == []
    assert history.dead == 0
    assert history.busiest <= 900
    assert history.ended["completed"] + history.ended["accepted"] > 0.97 * history.slots
    assert history.twice == []  # no answer is lost here for longer than Codat remembers the key


def test_woken_by_the_webhook_busy_refreshes_come_sooner_and_cost_fewer_calls():
    with silence():
        woken = busy_companies(300, seed=7, wakes=True)
        alone = busy_companies(300, seed=7, wakes=False)
    assert woken.accepted == alone.accepted == 300
    assert alone.median >= 5 * woken.median
    assert woken.calls < alone.calls
