"""Client-level schedules run until they are disabled, product-level ones as configured."""

from collections import Counter
from datetime import datetime

from tests.support.sandbox.worlds import Receiver, a_company, a_consumer, a_simulation, advance
from tools.sandbox.settings import schedules, sync_settings
from tools.sandbox.world.model import SyncSetting, SyncSettings

HOUR, DAY = 3600, 86_400


def reads_by_type(receiver):
    return Counter(
        entry["dataType"] for event in receiver.events() for entry in event["payload"]["dataTypes"]
    )


def scheduled(**hours):
    return SyncSettings([SyncSetting(kind, True, every, 0) for kind, every in hours.items()])


def off(world):
    body = sync_settings.client_view(world)
    return body | {"settings": [setting | {"syncSchedule": 0} for setting in body["settings"]]}


def test_each_data_type_is_read_at_its_own_interval():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    simulation.world.state.client_settings = scheduled(payments=1, invoices=24, bills=0)
    a_company(simulation)
    a_consumer(simulation, "read.completed")
    advance(simulation, 2 * DAY)
    assert reads_by_type(receiver) == {"payments": 48, "invoices": 2}


def test_nothing_is_read_once_schedules_are_disabled_and_again_once_restored():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    simulation.world.state.client_settings = scheduled(payments=1)
    a_company(simulation)
    snapshot = sync_settings.client_view(simulation.world)
    sync_settings.set_client(simulation.world, off(simulation.world))
    a_consumer(simulation, "read.completed")
    advance(simulation, 30 * DAY)
    assert receiver.events() == []
    sync_settings.set_client(simulation.world, snapshot)
    advance(simulation, 3 * HOUR)
    assert reads_by_type(receiver) == {"payments": 3}


def test_an_override_counts_for_its_company_instead_of_the_clients_settings():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    simulation.world.state.client_settings = scheduled(payments=1)
    company = a_company(simulation)
    own = sync_settings.company_view(simulation.world, company) | {
        "settings": [
            {"dataType": "invoices", "fetchOnFirstLink": True, "syncSchedule": 12, "syncOrder": 0}
        ],
        "overridesDefaults": True,
    }
    sync_settings.set_company(simulation.world, company, own)
    sync_settings.set_client(simulation.world, off(simulation.world))
    a_consumer(simulation, "read.completed")
    advance(simulation, 2 * DAY)
    assert reads_by_type(receiver) == {"invoices": 4}


def test_a_company_that_is_not_linked_is_not_read():
    receiver = Receiver()
    simulation = a_simulation(receiver, companies=20)
    a_consumer(simulation, "read.completed")
    advance(simulation, 2 * DAY)
    read = {event["payload"]["referenceCompany"]["id"] for event in receiver.events()}
    linked = {
        company.id
        for company in simulation.world.state.companies.values()
        if any(link.status == "Linked" for link in company.connections.values())
    }
    assert read == linked


def test_a_products_own_schedule_runs_beside_and_skips_a_slot_while_it_is_read():
    receiver = Receiver()
    simulation = a_simulation(receiver)
    simulation.world.state.client_settings = scheduled(payments=0)
    product = simulation.world.state.products["invoice-finance"]
    product.sync_schedule = 6
    company = a_company(simulation, "invoice-finance")
    a_consumer(simulation, "invoice-finance.read.completed", "read.completed")
    advance(simulation, DAY)
    times = [datetime.fromisoformat(e["generatedDate"]) for e in receiver.events()]
    assert len(times) == 4
    company.trouble["payments"] = "FetchError"
    simulation.world.options = type(simulation.world.options)(
        companies=0, failure_seconds=10 * HOUR
    )
    advance(simulation, DAY)
    # Slots at 30, 36 and 42 hours: a read of ten hours is over, the slot within it is skipped, and
    # the next read still runs.
    assert len(receiver.events()) == 5
    assert len(company.reads) == 1


def test_a_very_long_interval_never_comes_due():
    simulation = a_simulation()
    simulation.world.state.client_settings = scheduled(payments=10**18)
    company = a_company(simulation)
    schedules.plan_client(simulation.world, company)
    advance(simulation, 400 * DAY)


def test_a_data_type_that_fails_for_hours_delays_no_other():
    receiver = Receiver()
    simulation = a_simulation(receiver, failure_seconds=12 * HOUR)
    simulation.world.state.client_settings = scheduled(payments=1, customers=1)
    company = a_company(simulation)
    company.trouble["customers"] = "FetchError"
    a_consumer(simulation, "read.completed")
    advance(simulation, 3 * DAY)
    read = [dataset for dataset in company.datasets.values() if dataset.data_type == "payments"]
    assert len(read) == 1 + 72  # the first read, then one an hour
    held = [dataset for dataset in company.datasets.values() if dataset.data_type == "customers"]
    assert len(held) == 1 + 6


def test_an_override_that_does_not_override_leaves_the_clients_settings():
    simulation = a_simulation()
    simulation.world.state.client_settings = scheduled(payments=1)
    company = a_company(simulation)
    company.override = SyncSettings([], overrides_defaults=False)
    (setting,) = sync_settings.effective(simulation.world, company)
    assert (setting.data_type, setting.sync_schedule) == ("payments", 1)
    simulation.world.state.client_settings.overrides_defaults = False
    assert sync_settings.effective(simulation.world, company) == []
