"""The end of a read ends its lease, completes its ticket, and sends one that waits."""

from datetime import timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.product_events.domain.woken import Woken
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.ticket import LOST_AFTER, TicketStatus
from tests.support.refresh_worker import HOUR, a_world, failing, with_a_lease_for_each_product, work
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


def test_a_ticket_that_awaits_a_read_is_sent_and_its_message_makes_the_call(world):
    busy(world, "a", generation=3)
    assert world.wake.wake("c1", "a")
    assert (world.ticket().status, world.ticket().generation) == (TicketStatus.SENT, 4)
    ((_, _, deliver),) = world.events
    deliver()
    assert world.ticket().status is TicketStatus.ACCEPTED


def test_a_ticket_that_does_not_exist_is_not_woken(world):
    assert not world.wake.wake("c1", "a")
    assert world.wake.wake_next("c1") is None


def test_of_a_companys_queued_tickets_only_one_that_waits_for_a_read_is_woken(world):
    world.opened(product="a", opened_at=START - MINUTE)
    world.opened(product="b", waits_for=Waits.LEASE)
    world.opened(product=None, waits_for=Waits.RESERVE, opened_at=START - MINUTE)
    assert world.wake.wake_next("c1").product == "b"
    assert world.wake.wake_next("c1") is None
    assert world.queue.sent == 1


def test_with_a_lease_for_each_product_a_read_ends_its_own(world):
    with_a_lease_for_each_product(world)
    for product in "ab":
        world.opened(product=product)
        work(world, product=product)
    assert world.wake("c1", "a", START + MINUTE).completed
    assert [world.leases.get("c1", product)[0].holder for product in "ab"] == [None, "b"]


def test_the_same_end_of_a_read_told_twice_completes_and_wakes_once(world):
    world.opened(product="a")
    work(world, product="a")
    busy(world, "b")
    assert world.wake("c1", "a", START + MINUTE) == Woken(completed=True, woken=True)
    assert world.wake("c1", "a", START + MINUTE) == Woken()


def test_a_read_that_ends_while_nobody_holds_the_lease_wakes_a_ticket_too(world):
    world.opened(product="a")
    failing(world, errors.Permanent("no", status=400))
    work(world, product="a")
    busy(world, "b")
    assert world.wake("c1", "a", START + MINUTE) == Woken(woken=True)
    assert world.ticket(product="b").status is TicketStatus.SENT
