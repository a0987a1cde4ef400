"""The turn of a company's refresh is passed on, however it ends, and a spent key is forgotten."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.rate_limiting.domain.pace import LIMIT, Pace
from codat_hub.rate_limiting.domain.rate_limiter import RateLimiter
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain import lease as lease_rules
from codat_hub.refresh.domain import ticket as ticket_rules
from codat_hub.refresh.domain.ticket import TicketStatus
from codat_hub.refresh.usecases.cancel_refresh import CancelRefresh
from tests.support.refresh_worker import HOUR, ROWS, a_message, a_world
from tools.simulation.refresh_world import START


def with_a_waiting_ticket(world):
    """Company c1: product a has the turn, product b waits for the lease."""
    world.opened("c1", "a")
    world.opened("c1", "b")
    world.dispatcher()
    world.events.clear()


def waits(world):
    ticket, version = world.tickets.get("c1", "b")
    later = world.now() + timedelta(minutes=30)
    assert world.tickets.put(ticket_rules.kept_back(ticket, Waits.LEASE, later), version)


TURN_ENDS = [failure for failure, kind, _ in ROWS if kind not in {"busy", "outcome_unknown"}]
TURN_ENDS = [failure for failure in TURN_ENDS if not isinstance(failure, errors.NotUnderstood)]


@pytest.mark.parametrize("touched", [False, True], ids=["", "read during the call"])
@pytest.mark.parametrize("failure", TURN_ENDS, ids=str)
def test_however_a_call_ends_without_a_read_the_next_product_goes_at_once(failure, touched):
    world = a_world()
    with_a_waiting_ticket(world)
    waits(world)

    def fault(*_):
        if touched:
            lease, version = world.leases.get("c1", "a")
            after = lease_rules.after_read(lease, "other", world.now())
            assert world.leases.put("c1", "a", after, version)
        raise failure

    world.codat.fault = fault
    world.worker(a_message(world))
    assert world.ticket("c1", "b").status is TicketStatus.SENT


@pytest.mark.parametrize("how", ["cancelled", "cancelled by a person", "expired", "replaced"])
def test_a_turn_that_leads_to_no_call_is_passed_on(how):
    world = a_world()
    with_a_waiting_ticket(world)
    waits(world)
    message = a_message(world)
    ticket, version = world.tickets.get("c1", "a")
    if how == "cancelled":
        world.absent("c1", "a")
    elif how == "cancelled by a person":
        CancelRefresh(world.tickets, world.now).cancel("c1", "a", "no more")
    elif how == "expired":
        assert world.tickets.put(replace(ticket, deadline=world.now()), version)
    else:
        slot = replace(ticket, status=TicketStatus.QUEUED, slot=world.now() + HOUR, attempts=0)
        assert world.tickets.put(slot, version)
    report = world.worker(message)
    assert report.woken
    assert world.ticket("c1", "b").status is TicketStatus.SENT


def test_a_refresh_that_held_the_lease_and_meets_the_pace_passes_the_turn_on():
    world = a_world()
    with_a_waiting_ticket(world)
    waits(world)
    put = world.leases.put

    def put_then_fill_the_pace(*arguments):
        world.leases.put = put
        full = RateLimiter(pace=Pace(((int(START.timestamp()), LIMIT),)))
        world.limiters.put(full, world.limiters.get()[1])
        return put(*arguments)

    world.leases.put = put_then_fill_the_pace
    world.worker(a_message(world))
    assert world.ticket("c1", "b").status is TicketStatus.SENT


def test_the_key_of_a_busy_call_is_forgotten_by_the_refresh_that_a_person_asked_for_meanwhile():
    world = a_world()
    world.opened("c1", "a")
    world.dispatcher()
    world.events.clear()
    busy = [True]

    def fault(*_):
        if busy:
            busy.pop()
            old, version = world.tickets.get("c1", "a")
            again = ticket_rules.sent(replace(old, requested_by="a person"), world.now())
            assert world.tickets.put(again, version)
            raise world.codat.answer_kept(world.codat.keys[-1], errors.Busy("busy", status=400))

    world.codat.fault = fault
    world.worker(a_message(world))
    assert world.ticket("c1", "a").key is None
    world.worker(a_message(world))
    assert world.ticket("c1", "a").status is TicketStatus.ACCEPTED
