"""The refresh worker in a simulated world, one message at a time."""

from dataclasses import replace
from datetime import timedelta

from codat_hub.codat import errors
from codat_hub.refresh.adapters.lease_store import LeaseStore
from codat_hub.refresh.domain.call_outcome import row
from codat_hub.refresh.domain.refresh_message import RefreshMessage
from codat_hub.refresh.domain.ticket import TicketStatus
from tools.simulation.refresh_world import START, World, a_product

HOUR = timedelta(hours=1)
# Failure of a call, its kind, and the ticket's status after it.
ROWS = [
    (errors.Busy("in progress", status=400), "busy", TicketStatus.BUSY),
    (errors.TryLater("oops", status=503), "unavailable", TicketStatus.QUEUED),
    (errors.TryLater("slow", status=408), "unavailable", TicketStatus.QUEUED),
    (errors.OutcomeUnknown("no answer"), "outcome_unknown", TicketStatus.QUEUED),
    (errors.OutcomeUnknown("in flight", status=409), "outcome_unknown", TicketStatus.QUEUED),
    (errors.NotUnderstood("HTML", status=200), "not_understood", TicketStatus.QUEUED),
    (errors.Permanent("doesn't support", status=400), "rejected", TicketStatus.FAILED),
    (errors.KeyReused("other body", status=422), "key_reused", TicketStatus.FAILED),
    (errors.Forbidden("plan", status=402), "forbidden", TicketStatus.FAILED),
    (errors.Forbidden("no", status=403), "forbidden", TicketStatus.FAILED),
    (errors.NotFound("gone", status=404), "not_found", TicketStatus.FAILED),
    (errors.Unauthorized("key", status=401), "unauthorized", TicketStatus.QUEUED),
    (
        errors.RateLimited("quota", status=429, retry_at=START + 3 * HOUR),
        "rate_limited",
        TicketStatus.QUEUED,
    ),
]


def kinds(failure=errors.CallFailed):
    """Return the kinds that every failure of a call may give a ticket."""
    children = failure.__subclasses__()
    return {row(failure()).kind, *(kind for child in children for kind in kinds(child))}


def a_world():
    """A world of four companies, each with the products a and b."""
    world = World(seed=1)
    world.register(a_product("a"), a_product("b"))
    for company_id in ("c1", "c2", "c3", "c4"):
        for product in ("a", "b"):
            world.assign(company_id, product)
    return world


def a_message(world, company_id="c1", product="a"):
    """The newest message of the ticket."""
    return RefreshMessage(company_id, product, world.ticket(company_id, product).generation)


def work(world, company_id="c1", product="a"):
    """Send the ticket as the dispatcher would, and work on the message."""
    world.dispatcher()
    return world.worker(a_message(world, company_id, product))


def failing(world, failure):
    """Let every call to Codat end in this failure."""

    def fault(company_id, product):
        raise failure

    world.codat.fault = fault


def with_a_lease_for_each_product(world):
    """Let each product of a company have a lease of its own, as the setting allows."""
    world.codat.lock = "product"
    world.leases = LeaseStore(world.table, per_product=True)
    world.wake = replace(world.wake, leases=world.leases)
    world.worker = world.a_worker()
    return world
