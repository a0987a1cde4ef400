"""A refresh that is not wanted any more makes no further call."""

import pytest

from codat_hub.errors import Unavailable
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from tools.simulation.refresh_world import World

OPEN = [TicketStatus.QUEUED, TicketStatus.SENT, TicketStatus.BUSY]


@pytest.fixture
def world():
    return World()


@pytest.fixture
def cancel(world):
    return CancelRefresh(world.tickets, world.now).cancel


@pytest.mark.parametrize("status", OPEN)
def test_an_open_refresh_is_closed_with_the_reason(world, cancel, status):
    world.opened(status=status)
    cancel("c1", "a", "the product was removed")
    ticket = world.ticket()
    assert ticket.status is TicketStatus.CANCELLED
    assert ticket.failure == Failure("cancelled", "the product was removed")


@pytest.mark.parametrize("status", sorted(set(TicketStatus) - set(OPEN)))
def test_a_closed_refresh_stays_as_it_ended(world, cancel, status):
    world.opened(status=status)
    writes = world.table.writes
    cancel("c1", "a", "too late")
    assert (world.ticket().status, world.table.writes) == (status, writes)


def test_a_company_without_a_refresh_has_nothing_to_cancel(world, cancel):
    cancel("c1", "a", "no matter")
    assert world.ticket() is None


def test_a_refresh_that_is_sent_meanwhile_is_cancelled_all_the_same(world, cancel):
    world.opened()

    def send_first():
        world.table.before_put = lambda: None
        world.opened(status=TicketStatus.SENT, generation=1)

    world.table.before_put = send_first
    cancel("c1", "a", "by a person")
    ticket = world.ticket()
    assert (ticket.status, ticket.generation) == (TicketStatus.CANCELLED, 1)


def test_it_gives_up_when_the_refresh_keeps_changing(world, cancel):
    world.opened()
    world.tickets.put = lambda *_: False
    with pytest.raises(Unavailable, match="the refresh of company c1"):
        cancel("c1", "a", "by a person")
