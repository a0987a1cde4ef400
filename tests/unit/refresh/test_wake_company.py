"""The end of a read ends its lease, completes its ticket, and sends one that waits."""

from datetime import timedelta

import pytest

from codat_hub.product_events.domain.woken import Woken
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.ticket import LOST_AFTER, TicketStatus
from tests.support.refresh_worker import HOUR, a_world, work
from tools.simulation.refresh_world import MINUTE, START

SECOND = timedelta(seconds=1)


@pytest.fixture
def world():
    return a_world()


def busy(world, product, **changes):
    world.opened(product=product, status=TicketStatus.BUSY, due_at=START + HOUR, **changes)


def test_a_company_that_was_never_refreshed_has_nothing_to_wake(world):
    busy(world, "a")
    assert world.wake("c1", "a", START) == Woken()
    assert world.queue.sent == 0


def test_one_waiting_ticket_is_sent_the_one_that_waits_longest(world):
    world.opened(product="a")
    work(world, product="a")
    busy(world, "b", opened_at=START - SECOND)
    world.opened(product=None, waits_for=Waits.LEASE)
    assert world.wake("c1", "a", START + MINUTE) == Woken(completed=True, woken=True)
    assert world.ticket(product="b").status is TicketStatus.SENT
    assert world.ticket(product=None).status is TicketStatus.QUEUED


def test_a_ticket_that_is_woken_is_sent_under_a_new_generation(world):
    busy(world, "a", generation=3)
    assert world.wake.wake_next("c1").generation == 4
    assert world.ticket().due_at == START + LOST_AFTER
    assert world.queue.sent == 1


def test_while_another_products_refresh_holds_the_lease_no_ticket_is_sent(world):
    world.opened(product="a")
    work(world, product="a")
    busy(world, "b")
    assert world.wake("c1", "b", START + MINUTE) == Woken()
    lease, _ = world.leases.get("c1", "a")
    assert (lease.holder, lease.reads) == ("a", 1)


@pytest.mark.parametrize(
    "changes",
    [{"status": TicketStatus.SENT}, {"status": TicketStatus.CANCELLED}, {"waits_for": Waits.PACE}],
)
def test_a_ticket_that_waits_for_no_read_is_not_woken(world, changes):
    world.opened(**changes)
    assert not world.wake.wake("c1", "a")
    assert world.wake.wake_next("c1") is None
    assert world.queue.sent == 0


def test_a_ticket_that_changed_meanwhile_is_not_sent_twice(world):
    busy(world, "a")
    put = world.tickets.put

    def another_is_faster(ticket, version):
        world.tickets.put = put
        world.opened(status=TicketStatus.SENT, generation=1)
        return put(ticket, version)

    world.tickets.put = another_is_faster
    assert not world.wake.wake("c1", "a")
    assert world.queue.sent == 0


def test_its_read_event_completes_it_and_ends_the_lease(world):
    world.opened()
    work(world)
    world.run_until(START + HOUR)
    assert world.ticket().status is TicketStatus.COMPLETED
    assert world.leases.get("c1", "a")[0].holder is None
