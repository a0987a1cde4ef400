"""However many tickets are due, a run of the dispatcher reads and writes a bounded number."""

from collections import Counter
from datetime import timedelta

import pytest

from codat_hub.rate_limiting.domain.breaker import Breaker, Cause
from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter
from codat_hub.refresh.domain.ticket import TicketStatus
from tools.simulation.many_products import Cost, a_world, add_tickets, company_names, due_tickets
from tools.simulation.refresh_world import MINUTE, START
from tools.simulation.silence import silence

HOUR = timedelta(hours=1)
PACE = 840  # messages that one run may send
MORE = 1000  # tickets that it looks at beyond them
MOST_READS = 5000
PRODUCTS = 200


@pytest.fixture(autouse=True)
def quiet():
    with silence():
        yield


def blocked(world, until=START + 20 * HOUR):
    world.limiters.put(RateLimiter(Breaker(Cause.RATE_LIMITED, START, until)), 0)


def statuses(world):
    tickets = [
        item["status"] for key, (item, _, _) in world.table.items.items() if "TICKET" in key.sk
    ]
    return Counter(tickets)


def test_200_products_with_thousands_due_cost_what_is_sent_and_a_constant_more():
    world = due_tickets(PRODUCTS, 30)
    with Cost(world.table) as cost:
        report = world.dispatcher()
    assert report.sent == PACE
    assert cost.reads <= MOST_READS
    assert cost.writes <= PACE + 1
    of_product = Counter(message_of(world))
    assert set(of_product.values()) == {4, 5}
    assert len(of_product) == PRODUCTS


def message_of(world):
    """Return the product of each ticket that was sent."""
    for key, (item, _, _) in world.table.items.items():
        if "TICKET" in key.sk and item["status"] == TicketStatus.SENT.value:
            yield item["product"]


def test_every_due_ticket_is_sent_after_enough_runs():
    world = due_tickets(PRODUCTS, 15)
    sent = []
    for _ in range(4):
        sent.append(world.dispatcher().sent)
        world.clock += MINUTE
    assert sent == [PACE, PACE, PACE, 3000 - 3 * PACE]


def test_a_deep_backlog_of_one_product_uses_what_the_others_leave():
    world = a_world(*(f"p{number}" for number in range(PRODUCTS)))
    add_tickets(world, "p0", company_names(2000))
    add_tickets(world, "p1", company_names(3))
    with Cost(world.table) as cost:
        assert world.dispatcher().sent == PACE
    assert cost.reads <= MOST_READS
    assert Counter(message_of(world)) == {"p0": PACE - 3, "p1": 3}


@pytest.mark.parametrize("stopped", [False, True])
def test_tickets_past_their_deadline_are_closed_in_portions(stopped):
    world = a_world("a", "b")
    add_tickets(world, "a", company_names(5000), deadline=START + MINUTE)
    add_tickets(world, "b", company_names(50))
    if stopped:
        blocked(world)
    world.clock += 2 * MINUTE
    closed = []
    while sum(closed) < 5000:
        with Cost(world.table) as cost:
            report = world.dispatcher()
        assert report.sent == (0 if stopped or closed else 50)  # nobody waits behind them
        assert cost.reads <= MOST_READS
        closed.append(report.closed.total())
        world.clock += MINUTE
    assert max(closed) <= PACE + MORE
    assert len(closed) <= 6
    ended = statuses(world)
    assert ended["rate_limited" if stopped else "failed"] == 5000


def test_a_ticket_past_its_deadline_is_closed_though_all_before_it_have_to_wait():
    """The due tickets are in the order they are due, which is not that of their deadlines."""
    world = a_world("a", "b")
    add_tickets(world, "a", company_names(2500))
    add_tickets(world, "a", ["late"], due_at=START + MINUTE, deadline=START + 2 * MINUTE)
    add_tickets(world, "b", company_names(700))
    add_tickets(world, "b", ["late"], due_at=START + MINUTE, deadline=START + 2 * MINUTE)
    blocked(world)
    world.clock += 3 * MINUTE
    closed = []
    for _ in range(8):
        with Cost(world.table) as cost:
            closed.append(world.dispatcher().closed.total())
        assert cost.reads <= MOST_READS
        world.clock += MINUTE
    assert sum(closed) == 2
    assert sum(closed[:4]) == 2
    assert world.ticket("late", "b").status is TicketStatus.RATE_LIMITED


def test_a_sweep_goes_on_where_the_last_one_stopped_and_then_begins_again():
    world = a_world("a", "b")
    add_tickets(world, "a", company_names(1500))
    add_tickets(world, "b", company_names(300))
    blocked(world)
    places = []
    for _ in range(4):
        world.dispatcher()
        swept = world.dispatcher.memories.get()[0].swept
        places.append(swept and (swept[0], swept[1].rpartition("#")[2]))
        world.clock += MINUTE
    assert places == [("a", "c00999"), None, ("a", "c00999"), None]
