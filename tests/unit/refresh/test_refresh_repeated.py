"""A refresh whose call is repeated, or made twice at once, has one lease and one end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import TicketStatus
from tools.simulation.refresh_world import MINUTE, START, Died, World, a_product

HOUR = timedelta(hours=1)


@pytest.fixture
def world():
    world = World(seed=1, read_time=lambda: timedelta(seconds=5))
    world.register(a_product("a"), a_product("b"))
    for product in ("a", "b"):
        world.assign("c1", product)
    return world


def lose_the_answer(world):
    lost = iter(["after"])
    world.codat.fault = lambda *_: next(lost, None)


def die_after_the_call(world):
    def die(*_):
        world.codat.fault = lambda *_: None
        world.table.before_put = dying

    def dying():
        world.table.before_put = lambda: None
        raise Died

    world.codat.fault = die


@pytest.mark.parametrize("interrupt", [lose_the_answer, die_after_the_call])
def test_a_read_that_ended_before_its_call_was_answered_completes_and_holds_up_no_other(
    world, interrupt
):
    interrupt(world)
    world.opened(product="a")
    world.dispatching().run_until(START + 90 * timedelta(seconds=1))
    world.opened(product="b")
    world.run_until(START + 6 * MINUTE)
    assert world.ticket(product="a").status is TicketStatus.COMPLETED
    assert world.ticket(product="b").status is TicketStatus.COMPLETED
    assert [product for _, product, _ in world.codat.accepted] == ["a", "b"]
    assert world.leases.get("c1", "a")[0].holder is None


def test_a_message_that_comes_twice_at_once_leaves_the_lease_to_the_call_under_way(world):
    world.opened()
    world.dispatcher()
    message = RefreshMessage("c1", "a", world.ticket().generation)
    first = [world.tickets.get("c1", "a")]

    class ReadBefore:
        """The other worker read the ticket just before this worker wrote its call."""

        put = world.tickets.put

        def get(self, *pair):
            return first.pop() if first else world.tickets.get(*pair)

    second = []

    def deliver_again(*_):
        world.codat.fault = lambda *_: None
        second.append(world.a_worker(tickets=ReadBefore())(message).outcome)

    world.codat.fault = deliver_again
    assert world.worker(message).outcome == "accepted"
    assert second == ["stale"]
    assert len(world.codat.calls) == 1
    assert world.leases.get("c1", "b")[0].kept_from("b", world.now()) is not None


def test_a_client_level_read_that_was_missed_stands_for_one_data_type_only(world):
    world.wakes = False
    world.opened("c9", None, data_types=("invoices", "bills"), requested_by="arn")
    world.codat.fault = lambda *_: "after"
    world.dispatcher()
    world.run_until(START)
    world.codat.fault = lambda *_: None
    world.run_until(START + 2 * HOUR)  # for longer than Codat remembers the key
    ticket, version = world.tickets.get("c9", None)
    world.tickets.put(replace(ticket, due_at=world.now()), version)
    world.dispatching().run_until(START + 3 * HOUR)
    assert len(world.codat.accepted) == 2
