"""Due tickets are read in order, in portions, and no further than they are asked for."""

from itertools import islice

import pytest

from codat_hub.refresh.usecases.due_tickets import DueTickets
from tools.simulation.many_products import Cost, a_world, add_tickets, company_names
from tools.simulation.refresh_world import MINUTE, START


def due(world, portion, after=None):
    return DueTickets(world.tickets, "a", START, portion, after)


@pytest.fixture
def world():
    world = a_world("a")
    add_tickets(world, "a", company_names(100))
    add_tickets(world, "a", ["later"], due_at=START + MINUTE)
    return world


@pytest.mark.parametrize("portion", [1, 3, 99, 100, 101])
def test_every_due_ticket_comes_once_in_order(world, portion):
    found = due(world, portion)
    assert not found.exhausted
    assert [ticket.company_id for ticket in found] == company_names(100)
    assert found.exhausted
    assert found.empty


def test_it_goes_on_behind_a_place(world):
    half = list(islice(due(world, 7), 50))
    rest = due(world, 7, half[-1].place)
    assert [ticket.company_id for ticket in rest] == company_names(100)[50:]


def test_it_reads_no_more_than_twice_what_it_is_asked_for(world):
    for count in (0, 1, 5, 20, 60):
        with Cost(world.table) as cost:
            assert len(list(islice(due(world, 2), count))) == count
        requests = 6
        assert cost.reads <= 2 * count + 2 + requests
    found = due(world, 2)
    with Cost(world.table) as cost:
        assert not found.empty
    assert cost.reads == 3


def test_a_product_without_a_due_ticket_costs_one_request():
    world = a_world("a")
    found = due(world, 5)
    with Cost(world.table) as cost:
        assert list(found) == []
        assert found.empty
    assert cost.reads == 1
