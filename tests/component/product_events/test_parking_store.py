"""Parked webhooks in the State table, on moto."""

from codat_hub.product_events.adapters.parking_store import ParkingStore
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
