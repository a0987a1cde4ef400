"""Reads end with events, and failing reads go on for their time."""

import pytest

from tests.support.sandbox.worlds import (
    START,
    Receiver,
    a_company,
    a_consumer,
    a_simulation,
    advance,
)
from tools.sandbox.companies import companies, connections, products
from tools.sandbox.reads import progress, reads
from tools.sandbox.world.catalog import read_events
from tools.sandbox.world.model import Read, SyncSettings

EVERY_READ_EVENT = [*read_events(None), *read_events("invoice-finance")]


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def simulation(receiver):
    simulation = a_simulation(receiver, read_seconds=30, failure_seconds=12 * 3600)
    a_consumer(simulation, *EVERY_READ_EVENT)
    return simulation


def types(receiver):
    return sorted(event["eventType"] for event in receiver.events())


def test_a_first_read_sends_base_outcome_and_initial_for_each_product(simulation, receiver):
    a_company(simulation, "invoice-finance")
    expected = ["", ".initial", ".successful", ".successful.initial"]
    assert types(receiver) == sorted(
        f"{prefix}read.completed{suffix}"
        for prefix in ("", "invoice-finance.")
        for suffix in expected
    )


def test_a_refresh_sends_base_and_outcome(simulation, receiver):
    company = a_company(simulation, "invoice-finance")
    receiver.postings.clear()
    products.refresh(simulation.world, company, "invoice-finance", {})
    advance(simulation, 60)
    assert types(receiver) == [
        "invoice-finance.read.completed",
        "invoice-finance.read.completed.successful",
    ]
    first, second = receiver.events()
    assert first["payload"] == second["payload"]
    assert first["id"] != second["id"]


def test_a_failing_read_is_retried_and_holds_the_lock_meanwhile(simulation, receiver):
    company = a_company(simulation, "invoice-finance")
    company.trouble["payments"] = "FetchError"
    receiver.postings.clear()
    products.refresh(simulation.world, company, "invoice-finance", {})
    advance(simulation, 6 * 3600)
    assert reads.is_locked(simulation.world, company, "invoice-finance")
    dataset = next(
        dataset
        for dataset in reversed(company.datasets.values())
        if dataset.data_type == "payments"
    )
    shown = progress.operation(dataset, company.id, simulation.now)
    assert shown["status"] == "Fetching"
    assert shown["statusDescription"].endswith("Retry 10 of 10.")
    advance(simulation, 6 * 3600 + 1)
    assert not reads.is_locked(simulation.world, company, "invoice-finance")
    assert "invoice-finance.read.completed.unsuccessful" in types(receiver)
    shown = progress.operation(dataset, company.id, simulation.now)
    assert (shown["status"], shown["isErrored"], shown["progress"]) == ("FetchError", True, 100)


def test_without_a_linked_connection_there_is_no_read_and_no_event(simulation, receiver):
    company = companies.create(simulation.world, {"name": "A", "products": ["invoice-finance"]})
    products.refresh(simulation.world, company, "invoice-finance", {})
    advance(simulation, 3600)
    assert types(receiver) == []


def test_only_named_data_types_are_read(simulation, receiver):
    company = a_company(simulation, "invoice-finance")
    receiver.postings.clear()
    body = {"dataTypes": ["payments"]}
    products.refresh(simulation.world, company, "invoice-finance", body)
    advance(simulation, 60)
    entries = receiver.events()[0]["payload"]["dataTypes"]
    assert [entry["dataType"] for entry in entries] == ["payments"]


def test_a_connection_cut_during_a_read_ends_it_in_auth_error(simulation, receiver):
    company = a_company(simulation, "invoice-finance")
    receiver.postings.clear()
    products.refresh(simulation.world, company, "invoice-finance", {})
    link = next(iter(company.connections.values()))
    connections.unlink(simulation.world, company, link, by_customer=True)
    advance(simulation, 60)
    entries = receiver.events()[0]["payload"]["dataTypes"]
    assert {entry["status"] for entry in entries} == {"AuthError"}


def test_removing_a_product_cancels_its_read_without_an_event(simulation, receiver):
    company = a_company(simulation, "invoice-finance")
    receiver.postings.clear()
    products.refresh(simulation.world, company, "invoice-finance", {})
    products.remove(simulation.world, company, "invoice-finance")
    advance(simulation, 60)
    assert types(receiver) == []
    assert {dataset.outcome for dataset in list(company.datasets.values())[-3:]} == {"Cancelled"}


def test_deleting_a_company_sends_an_event_of_each_connection_and_ends_its_reads(
    simulation, receiver
):
    company = a_company(simulation, "invoice-finance")
    a_consumer(simulation, "connection.deleted", "company.deleted")
    receiver.postings.clear()
    products.refresh(simulation.world, company, "invoice-finance", {})
    companies.delete(simulation.world, company)
    advance(simulation, 60)
    assert types(receiver) == ["company.deleted", "connection.deleted"]
    assert simulation.world.state.active_companies == 0
    assert simulation.world.state.records == {}


def test_a_data_type_that_a_platform_lacks_is_not_supported_and_no_failure(simulation, receiver):
    a_company(simulation, platform="fraz")
    products.assign(
        simulation.world, next(iter(simulation.world.state.companies.values())), "payables"
    )
    advance(simulation, 60)
    event = next(e for e in receiver.events("read.completed.successful.initial")[::-1])
    statuses = {e["dataType"]: e["status"] for e in event["payload"]["dataTypes"]}
    assert statuses["bills"] == "NotSupported"


def test_the_same_seed_gives_the_same_history():
    def history():
        receiver = Receiver()
        simulation = a_simulation(receiver, companies=10, seed=3, failing_share=0.2)
        a_consumer(simulation, *EVERY_READ_EVENT)
        advance(simulation, 2 * 86_400)
        return [(at, posting.body) for at, posting in receiver.postings]

    first = history()
    assert len(first) > 100
    assert first == history()
    assert first[0][0] > START


def test_a_read_that_cannot_be_planned_leaves_nothing_behind(simulation):
    company = a_company(simulation, "invoice-finance")
    before = list(company.datasets)
    targets = reads.targets(company, ["payments"])
    with pytest.raises(OverflowError):
        reads.start(
            simulation.world, company, "invoice-finance", targets, pace=reads.Pace(seconds=1e300)
        )
    assert (company.reads, list(company.datasets)) == ({}, before)


def test_a_read_without_fetches_can_be_ended_by_hand(simulation, receiver):
    company = a_company(simulation, "invoice-finance")
    receiver.postings.clear()
    company.reads["r"] = Read("r", company.id, "invoice-finance", False, START, {}, [], 0)
    assert reads.complete_now(simulation.world, company, "invoice-finance", {}) == 1
    assert company.reads == {}


def test_linking_reads_the_standard_products_too(simulation):
    company = companies.create(simulation.world, {"name": "A", "products": ["payables"]})
    simulation.world.state.client_settings = SyncSettings([])
    connection = connections.create(simulation.world, company, "gbol")
    connections.link(simulation.world, company, connection)
    wanted = simulation.world.state.products["payables"].data_types
    assert {dataset.data_type for dataset in company.datasets.values()} == set(wanted)
