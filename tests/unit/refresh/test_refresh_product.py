"""One message makes one call at most, if the refresh may still happen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.rate_limiting.domain.breaker import Breaker, Cause
from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import Failure, TicketStatus
from tests.support.refresh_worker import HOUR, a_message, a_world, failing, work
from tools.simulation.refresh_world import DAILY, MINUTE, START, Died, World, a_product


@pytest.fixture
def world():
    return a_world()


def test_an_accepted_refresh_is_done_and_holds_the_companys_lease(world):
    world.opened()
    result = work(world)
    assert (result.outcome, result.called) == ("accepted", True)
    assert world.ticket().status is TicketStatus.ACCEPTED
    assert world.ticket().attempts == 1
    lease, _ = world.leases.get("c1", "a")
    assert lease.holder == "a"


def test_a_stale_generation_makes_no_call(world):
    world.opened()
    world.dispatcher()
    old = world.ticket().generation - 1
    assert world.worker(RefreshMessage("c1", "a", old)).outcome == "stale"
    assert not world.codat.calls


def test_a_message_that_comes_after_its_deadline_makes_no_call(world):
    world.opened(failure=Failure("busy", "a read is in progress"), deadline=START + MINUTE)
    world.dispatcher()
    message = a_message(world)
    world.clock = START + MINUTE
    result = world.worker(message)
    assert (result.outcome, result.ticket) == ("still_syncing", world.ticket())
    assert world.ticket().status is TicketStatus.STILL_SYNCING
    assert not world.codat.calls


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.register(a_product("b")),
        lambda w: w.register(a_product("a", replace(DAILY, enabled=False)), a_product("b")),
        lambda w: w.register(Product("a", ProductKind.STANDARD)),
        lambda w: w.absent("c1", "a"),
        lambda w: w.assign("c1", "a", consented=False),
        lambda w: w.register(a_product("a", data_types=("invoices", "payments"))),
    ],
)
def test_disabled_removed_or_without_consent_it_is_cancelled_without_a_call(world, change):
    world.opened()
    world.dispatcher()
    change(world)
    result = world.worker(a_message(world))
    assert (result.outcome, world.ticket().status) == ("cancelled", TicketStatus.CANCELLED)
    assert world.ticket().failure.text
    assert not world.codat.calls


def test_a_ticket_that_meets_an_open_breaker_stays_due_for_when_it_closes(world):
    world.opened()
    world.dispatcher()
    breaker = Breaker(Cause.UNAUTHORIZED, START, START + 5 * MINUTE)
    world.limiters.put(RateLimiter(breaker), 0)
    result = world.worker(a_message(world))
    assert (result.outcome, result.woken) == ("breaker", False)
    ticket = world.ticket()
    assert ticket.status is TicketStatus.QUEUED
    assert (ticket.due_at, ticket.waits_for, ticket.attempts) == (START, Waits.BREAKER, 0)


def test_a_lease_that_ends_before_the_ticket_waits_for_it_lets_the_ticket_go_at_once(world):
    world.opened(product="a")
    work(world, product="a")
    world.opened(product="b")
    world.dispatcher()
    put = world.tickets.put

    def end_the_read_first(ticket, version):
        world.tickets.put = put
        world.wake("c1", "a", START + MINUTE)
        return put(ticket, version)

    world.tickets.put = end_the_read_first
    report = world.worker(a_message(world, product="b"))
    assert (report.outcome, report.woken) == ("lease", True)
    assert world.ticket(product="b").status is TicketStatus.SENT


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (errors.Busy("in progress", status=400), TicketStatus.STILL_SYNCING),
        (
            errors.RateLimited("quota", status=429, retry_at=START + 30 * HOUR),
            TicketStatus.RATE_LIMITED,
        ),
        (errors.TryLater("down", status=503), TicketStatus.FAILED),
        (errors.Unauthorized("key", status=401), TicketStatus.FAILED),
    ],
)
def test_at_the_deadline_the_ticket_says_what_it_waited_for(world, failure, status):
    world.opened()
    failing(world, failure)
    world.dispatching().run_until(START + timedelta(hours=14, minutes=2))
    assert world.ticket().status is status
    assert not world.queue.dead


def test_by_client_level_settings_each_data_type_is_a_call(world):
    world.opened("c9", None, data_types=("invoices", "bills"), requested_by="arn")
    world.codat.lock = "product"
    world.codat.read_time = lambda: timedelta(0)
    world.dispatching().run_until(START + 5 * MINUTE)
    assert len(world.codat.calls) == 2
    assert world.ticket("c9", None).status is TicketStatus.COMPLETED


def test_a_data_type_that_was_read_although_its_answer_was_lost_makes_room_for_the_next(world):
    world.opened("c9", None, data_types=("invoices", "bills"), requested_by="arn")
    world.codat.lock = "product"
    world.codat.read_time = lambda: MINUTE
    lost = iter(["after"])
    world.codat.fault = lambda *_: next(lost, None)
    world.dispatching().run_until(START + 3 * HOUR)
    assert len(world.codat.accepted) == 2
    assert world.ticket("c9", None).data_types == ("bills",)
    assert world.ticket("c9", None).status is TicketStatus.COMPLETED


def test_once_on_product_level_settings_no_client_level_refresh_is_made(world):
    world.opened("c1", None, requested_by="arn")
    world.dispatching().run_until(START + 2 * MINUTE)
    assert world.ticket("c1", None).status is TicketStatus.CANCELLED
    assert not world.codat.calls


@pytest.mark.parametrize("moment", ["before_put", "after_put"])
@pytest.mark.parametrize("busy_first", [False, True])
def test_killed_at_any_write_the_refresh_is_accepted_once_in_the_end(moment, busy_first):
    for death in range(12):
        world = World(seed=death)
        world.register(a_product("a"))
        world.assign("c1", "a")
        world.opened()
        if busy_first:
            world.codat.read("c1", None, 5 * MINUTE)
        world.dispatcher()
        left = iter(range(death))

        def die(left=left):
            if next(left, None) is None:
                raise Died

        setattr(world.table, moment, die)
        message = a_message(world)
        world.safely(lambda w=world, m=message: w.worker(m))
        setattr(world.table, moment, lambda: None)
        world.dispatching().run_until(START + 3 * HOUR)
        assert len(world.codat.accepted) == 1, death
        assert world.ticket().status is TicketStatus.COMPLETED
        assert not world.queue.dead
