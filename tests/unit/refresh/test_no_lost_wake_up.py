"""A read ends while a worker gets "busy": in every order of their steps the ticket goes at once.

The steps are the calls of tickets, leases and queue. Every order begins the projection after the
call to Codat: a read that was projected earlier is not the one that answered "busy".
"""

from datetime import timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import TicketStatus
from codat_hub.refresh.usecases.wake_company import WakeCompany
from tests.support.stepping import Stepped, orders
from tools.simulation.refresh_world import MINUTE, World, a_product

WORKER_STEPS, PROJECTOR_STEPS = 7, 5  # up to the last write; only sends follow


def a_world():
    world = World(seed=1)
    world.register(a_product("a"), a_product("b"))
    world.assign("c1", "a")
    world.opened()
    world.dispatcher()
    world.events.clear()  # no message is delivered

    def busy(*_):
        raise errors.Busy("in progress", status=400)

    world.codat.fault = busy
    return world


class Sent(list):
    def send(self, messages):
        self.extend(messages)


def a_worker(world, sent):
    generation = world.ticket().generation

    def run(tickets, leases, queue):
        worker = world.a_worker(tickets=tickets, leases=leases, queue=queue)
        worker(RefreshMessage("c1", "a", generation))

    return Stepped({"tickets": world.tickets, "leases": world.leases, "queue": sent}, run)


def a_projector(world, sent, product):
    def run(tickets, leases, queue):
        WakeCompany(tickets, leases, queue, world.now)("c1", product, world.now())

    return Stepped({"tickets": world.tickets, "leases": world.leases, "queue": sent}, run)


def up_to_the_call(worker):
    """Let the worker come to its call, which raises "busy" in every replay after it."""
    while worker.step() != "tickets.put":
        pass


@pytest.mark.parametrize("product", ["a", "b", None], ids=["own", "other", "plain"])
def test_in_every_interleaving_the_busy_ticket_is_sent_again_at_once(product):
    tried = 0
    for order in orders(WORKER_STEPS, PROJECTOR_STEPS):
        world, sent = a_world(), Sent()
        worker, projector = a_worker(world, sent), a_projector(world, sent, product)
        up_to_the_call(worker)
        for turn in order:
            (projector if turn else worker).step()
        worker.finish()
        projector.finish()
        ticket = world.ticket()
        assert ticket.status is TicketStatus.SENT, order
        assert [message.generation for message in sent] == [ticket.generation], order
        tried += 1
    assert tried == 792


def test_a_lease_that_ends_while_another_product_meets_it_lets_that_product_go_at_once():
    for order in orders(4, PROJECTOR_STEPS):
        world, sent = a_world(), Sent()
        world.codat.fault = lambda *_: None
        world.assign("c1", "b")
        world.worker(RefreshMessage("c1", "a", world.ticket().generation))  # a's read runs
        world.opened(product="b")
        world.clock += 2 * MINUTE
        world.dispatcher()
        world.events.clear()
        generation = world.ticket(product="b").generation

        def run(tickets, leases, queue, world=world, generation=generation):
            world.a_worker(tickets=tickets, leases=leases, queue=queue)(
                RefreshMessage("c1", "b", generation)
            )

        ports = {"tickets": world.tickets, "leases": world.leases, "queue": sent}
        worker, projector = Stepped(ports, run), a_projector(world, sent, "a")
        worker.step()
        met = worker.step()
        assert met == "leases.get"  # of the lease that a holds
        for turn in order:
            (projector if turn else worker).step()
        worker.finish()
        projector.finish()
        ticket = world.ticket(product="b")
        assert ticket.status is TicketStatus.SENT, order
        assert sent[-1].generation == ticket.generation, order


@pytest.mark.parametrize("died_after", range(1, 8))
def test_a_projector_that_dies_anywhere_is_repeated_and_wakes(died_after):
    world, sent = a_world(), Sent()
    a_worker(world, sent).finish()
    world.clock += MINUTE
    projector = a_projector(world, sent, "b")
    for _ in range(died_after):
        projector.step()
    a_projector(world, sent, "b").finish()  # the stream brings the record again
    ticket = world.ticket()
    assert ticket.status is TicketStatus.SENT
    lost_between_mark_and_send = not sent
    if lost_between_mark_and_send:
        assert ticket.due_at <= world.now() + timedelta(minutes=10)
