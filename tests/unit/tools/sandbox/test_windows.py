"""No record change is lost, in any order of reads, refreshes and writes."""

import json
from datetime import datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.sandbox.worlds import (
    START,
    Receiver,
    a_company,
    a_consumer,
    a_simulation,
    advance,
)
from tools.sandbox.companies import connections, products
from tools.sandbox.options import LockScope
from tools.sandbox.reads import data, reads, records, windows
from tools.sandbox.requests.errors import READ_IN_PROGRESS, CodatError

PRODUCTS = ("invoice-finance", "cashflow-insights")


class Copy:
    """The copy of a careful client, which reads the windows of one product's events."""

    def __init__(self, simulation, company, product):
        self.simulation, self.company, self.product = simulation, company, product
        self.records = {}

    def handle(self, event):
        payload = event["payload"]
        since = payload["modifiedFromDate"] and datetime.fromisoformat(payload["modifiedFromDate"])
        for entry in payload["dataTypes"]:
            if entry["status"] == "Complete":
                self._read(f"{entry['connectionId']}|{entry['dataType']}", since)

    def _read(self, key, since):
        cached = records.cache(self.simulation.world, self.company, key)
        if cached is None:
            return  # the connection is deleted
        for record in cached.records:
            if since is None or record.modified >= since:
                self.records[key, record.id] = record.version


class Client(Receiver):
    """A receiver that gives each event to its product's copy at once."""

    def __init__(self):
        super().__init__()
        self.copies = {}

    def __call__(self, posting, now):
        event = json.loads(posting.body)
        product = event["eventType"].removesuffix(".read.completed")
        self.copies[product].handle(event)
        return super().__call__(posting, now)


def busy(world, company, product):
    """Tell whether a refresh is refused as busy; raise any other refusal."""
    try:
        products.refresh(world, company, product, {})
    except CodatError as error:
        if error.error != READ_IN_PROGRESS:
            raise
        return True
    return False


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 400)),
    st.tuples(st.just("wait"), st.integers(3600, 90_000)),
    st.tuples(st.just("refresh"), st.sampled_from(PRODUCTS)),
    st.tuples(st.just("some"), st.sampled_from(PRODUCTS)),
    st.tuples(st.just("fail"), st.sampled_from(PRODUCTS)),
    st.tuples(st.just("client"), st.none()),
    st.tuples(st.just("again"), st.sampled_from(PRODUCTS)),
    st.tuples(st.just("relink"), st.none()),
    st.tuples(st.just("bank"), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25), st.sampled_from(LockScope))
@example(
    [
        ("refresh", "cashflow-insights"),
        ("wait", 4000),
        ("fail", "invoice-finance"),
        ("refresh", "cashflow-insights"),
        ("wait", 4000),
        ("refresh", "invoice-finance"),
    ],
    LockScope.PRODUCT,
)
def test_no_change_is_lost_and_the_lock_holds_exactly_while_a_read_runs(steps, scope):
    client = Client()
    simulation = a_simulation(client, read_seconds=300, failure_seconds=1000, lock_scope=scope)
    a_consumer(simulation, *(f"{product}.read.completed" for product in PRODUCTS))
    world = simulation.world
    client.copies = Copies(simulation)
    company = a_company(simulation, *PRODUCTS)
    for step, argument in steps:
        running = {product: must_be_locked(world, company, product) for product in PRODUCTS}
        take(simulation, company, step, argument, running)
    for product in PRODUCTS:
        refresh_when_free(simulation, company, product)
    for product in PRODUCTS:
        assert_nothing_escaped(simulation, company, product, client.copies[product])


def refresh_when_free(simulation, company, product):
    """Refresh once the lock is free; fail if it stays."""
    for _ in range(20):
        if not busy(simulation.world, company, product):
            return advance(simulation, 3000)
        advance(simulation, 300)
    raise AssertionError(f"{product} stays locked")


class Copies(dict):
    """Copies by product; the first event of a product creates its copy."""

    def __init__(self, simulation):
        super().__init__()
        self.simulation = simulation

    def __missing__(self, product):
        company = next(iter(self.simulation.world.state.companies.values()))
        self[product] = Copy(self.simulation, company, product)
        return self[product]


def must_be_locked(world, company, product):
    """Return whether a read must lock the product, by the datasets and not by the lock."""
    return any(
        company.datasets[dataset_id].completed is None
        for read in company.reads.values()
        if world.options.lock_scope is LockScope.COMPANY or read.product == product
        for dataset_id in read.dataset_ids
    )


def take(simulation, company, step, argument, running):
    world = simulation.world
    match step:
        case "wait":
            advance(simulation, argument)
        case "refresh":
            assert busy(world, company, argument) is running[argument]
        case "some":
            if not running[argument]:
                products.refresh(world, company, argument, {"dataTypes": ["payments"]})
        case "fail":
            reads.complete_now(world, company, argument, {"payments": "FetchError"})
        case "client":
            data.refresh_all(world, company)
        case "again" if argument in company.products:
            products.remove(world, company, argument)
            products.assign(world, company, argument)
        case "relink":
            link = next(iter(company.connections.values()))
            connections.unlink(world, company, link, by_customer=True)
            connections.link(world, company, link)
        case "bank":
            connections.link(world, company, connections.create(world, company, "bnkp"))


def assert_nothing_escaped(simulation, company, product, copy):
    """Assert that each version is in the copy or in the window of the product's next event."""
    kinds = simulation.world.state.products[product].data_types
    arrived = 0
    for key, cached in simulation.world.state.records.items():
        if key.partition("|")[2] not in kinds:
            continue
        (next_window,) = windows.bounds(company, product, [key]).values()
        for record in cached.records:
            known = copy.records.get((key, record.id)) == record.version
            coming = next_window is None or record.modified >= next_window
            assert known or coming, (product, key, record)
            arrived += known
    assert arrived


def test_a_products_window_starts_at_its_own_previous_read():
    receiver = Receiver()
    simulation = a_simulation(receiver, read_seconds=30)
    company = a_company(simulation, *PRODUCTS)
    a_consumer(simulation, "invoice-finance.read.completed")
    advance(simulation, 3600)
    daily = simulation.now
    products.refresh(simulation.world, company, "invoice-finance", {})
    for _ in range(24):
        advance(simulation, 3600)
        products.refresh(simulation.world, company, "cashflow-insights", {})
    advance(simulation, 60)
    products.refresh(simulation.world, company, "invoice-finance", {})
    advance(simulation, 60)
    event = receiver.events()[-1]
    assert datetime.fromisoformat(event["payload"]["modifiedFromDate"]) == daily
    payments = next(e for e in event["payload"]["dataTypes"] if e["dataType"] == "payments")
    assert payments["recordsModified"] is True


def test_a_product_added_to_data_that_others_read_has_no_lower_bound():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    company = a_company(simulation, "invoice-finance")
    a_consumer(simulation, "cashflow-insights.read.completed")
    products.assign(simulation.world, company, "cashflow-insights")
    advance(simulation, 60)
    assert receiver.events()[0]["payload"]["modifiedFromDate"] is None


def test_a_first_link_has_the_time_of_the_link_and_says_nothing_was_modified():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    a_consumer(simulation, "invoice-finance.read.completed.initial")
    a_company(simulation, "invoice-finance")
    payload = receiver.events()[0]["payload"]
    assert datetime.fromisoformat(payload["modifiedFromDate"]) == START
    assert [entry["recordsModified"] for entry in payload["dataTypes"]] == [False] * 3
    assert simulation.now - START == timedelta(seconds=60)


def test_a_product_that_is_removed_and_added_again_starts_with_everything():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    company = a_company(simulation, "invoice-finance")
    a_consumer(simulation, "invoice-finance.read.completed")
    products.remove(simulation.world, company, "invoice-finance")
    products.assign(simulation.world, company, "invoice-finance")
    advance(simulation, 60)
    assert receiver.events()[0]["payload"]["modifiedFromDate"] is None
