"""Parked webhooks in the State table, on moto."""

from datetime import timedelta

from codat_hub.product_events.adapters.parking_store import ParkingStore
from codat_hub.storage.items import ItemKey
from codat_hub.storage.state_table import StateTable
from tests.support.interleaving import NOW
from tools.simulation.tables import create_table


def test_parked_webhooks_are_listed_in_pages(dynamodb):
    parking = ParkingStore(StateTable(dynamodb, create_table(dynamodb, "StateTable")))
    for number in range(5):
        parking.park(f"msg-{number}", "odd", NOW)
    first, after = parking.page(None, 3)
    second, end = parking.page(after, 3)
    assert (first, second, end) == (["msg-0", "msg-1", "msg-2"], ["msg-3", "msg-4"], None)
    parking.unpark("msg-0")
    parking.unpark("msg-never")
    assert parking.page(None, 3) == (["msg-1", "msg-2", "msg-3"], "msg-3")


def test_a_webhook_is_parked_until_the_inbox_drops_it(dynamodb):
    table = StateTable(dynamodb, create_table(dynamodb, "StateTable"))
    parking = ParkingStore(table)
    until = NOW + timedelta(days=45)
    parking.park("msg-1", "odd", NOW, until)
    parking.park("msg-2", "odd", NOW)
    assert table.get(ItemKey("PARKED", "msg-1")).attributes["expires_at"] == until.timestamp()
    assert "expires_at" not in table.get(ItemKey("PARKED", "msg-2")).attributes


def test_those_that_expire_soon_are_found_without_the_others(dynamodb):
    parking = ParkingStore(StateTable(dynamodb, create_table(dynamodb, "StateTable")))
    times = [NOW + timedelta(days=days) for days in (-1, 3, 2, 2, 8)]
    for number, until in enumerate(times):
        parking.park(f"msg-{number}#0", "odd", NOW, until)
    week = NOW + timedelta(days=7)
    assert parking.expiring(NOW, week, 10) == [times[2], times[3], times[1]]
    assert parking.expiring(NOW, week, 1) == [times[2]]
    parking.unpark("msg-2#0")
    assert parking.expiring(NOW, week, 10) == [times[3], times[1]]
