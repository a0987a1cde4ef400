"""A hub with hundreds of products on thousands of companies, written straight to a fake table."""

from bisect import insort
from datetime import timedelta

from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain.ticket import Ticket
from tools.simulation.refresh_world import START, World, a_product

HOUR = timedelta(hours=1)


def product_names(products):
    return [f"p{number:03}" for number in range(products)]


def company_names(companies):
    return [f"c{number:05}" for number in range(companies)]


def a_world(*names):
    """Return a world with these products, whose tickets cost only the reads of the hub."""
    world = World(lock="product")
    world.tickets = TicketStore(world.table)
    world.register(*map(a_product, names))
    return world


def due_tickets(products, companies):
    """Return a world where each company has a due ticket of each product."""
    names = product_names(products)
    world = a_world(*names)
    for name in names:
        add_tickets(world, name, company_names(companies))
    return world


def add_tickets(world, product, companies, **changes):
    """Write tickets without the cost of a put; their items have one form, that of the first."""
    for number, company_id in enumerate(companies):
        if number == 0:
            given = {"opened_at": START, "due_at": START, "deadline": START + 14 * HOUR} | changes
            world.tickets.put(Ticket(company_id, product, **given), 0)
            (key,) = (
                key
                for key in world.table.partitions[f"COMPANY#{company_id}"]
                if key.sk == f"REFRESH#TICKET#{product}"
            )
            item, version, listed = world.table.items[key]
            first = company_id
            continue
        at = key._replace(pk=f"COMPANY#{company_id}")
        place = listed._replace(rank=listed.rank.replace(first, company_id))
        world.table.items[at] = (item | {"company_id": company_id}, version, place)
        world.table.partitions.setdefault(at.pk, set()).add(at)
        insort(world.table.index[place.group], (place.rank, at))


class Cost:
    """What a piece of work read and wrote, and the seconds of processor time that it took."""

    def __init__(self, table):
        self._table = table

    def __enter__(self):
        self._before = self._counts()
        return self

    def __exit__(self, *_):
        self.reads, self.writes = (
            now - then for now, then in zip(self._counts(), self._before, strict=True)
        )

    def _counts(self):
        return self._table.reads + self._table.listed_entries, self._table.writes
