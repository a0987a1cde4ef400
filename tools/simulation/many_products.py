"""A hub with hundreds of products on thousands of companies, written straight to a fake table."""

from bisect import insort
from dataclasses import replace
from datetime import timedelta

from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness, OverdueCursor
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain.ticket import Ticket
from codat_hub.storage.items import SHARDS, Listed, company_key
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


def overdue_products(products, companies, *, late=True):
    """Return a world where each product of each company is overdue, or was just read.

    The items of all pairs are the same; a reader takes company and product from their keys.
    """
    names, world = product_names(products), a_world(*product_names(products))
    world.assign("c", names[0])
    assignment = world.assignments.get("c", names[0])[0]
    company = world.table.items[company_key("c", "DIRECTORY")]
    for name in names:
        world.assignments.put(replace(assignment, company_id="d", product=name), 0)
        state = ReadState(last_read_at=START - 90 * HOUR, overdue_from=START - 67 * HOUR)
        if not late:
            state = ReadState(last_read_at=START, overdue_from=START + 35 * HOUR)
        ReadStateStore(world.table).put("d", name, state, 0)
        read = world.table.items[company_key("d", f"READS#{name}")]
        held = world.table.items[company_key("d", f"PRODUCT#{name}")]
        for company_id in company_names(companies):
            world.table.items[company_key(company_id, f"PRODUCT#{name}")] = held
            key = company_key(company_id, f"READS#{name}")
            place = Listed(read[2].group, read[2].rank.replace("#d", f"#{company_id}"))
            world.table.items[key] = (*read[:2], place)
            insort(world.table.index[place.group], (place.rank, key))
    for company_id in company_names(companies):
        world.table.items[company_key(company_id, "DIRECTORY")] = company
    return world


class Cost:
    """What a piece of work read and wrote: requests, index entries and items.

    sources: tables, and ledgers that count `reads`
    """

    def __init__(self, *sources):
        self._sources = sources

    def __enter__(self):
        self._before = self._counts()
        return self

    def __exit__(self, *_):
        counts = zip(self._counts(), self._before, strict=True)
        self.reads, self.writes = (now - then for now, then in counts)

    def _counts(self):
        reads = sum(source.reads + source.listed_entries for source in self._sources)
        return reads, sum(source.writes for source in self._sources)


def first_overdue_page(world):
    """Return a request for the first page of what is overdue; it returns what it found."""
    measure = MeasureFreshness(
        world.companies,
        world.assignments,
        ReadStateStore(world.table),
        ProductStore(world.table),
        SHARDS,
        world.now,
    )
    return lambda: f"{len(measure.overdue(None, OverdueCursor(), 200).rows)} rows"
