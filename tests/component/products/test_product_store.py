"""The registry on moto is replaced as a whole, and its cache is a minute old at most."""

import pytest

from codat_hub.products.adapters.product_store import KEY, ProductStore
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.storage.state_table import StateTable
from tools.simulation.tables import create_table

PRODUCTS = {
    "a": Product(
        "a", ProductKind.CUSTOM, "A", ("invoices",), Schedule("rate(1 hour)"), "lending", "v1"
    ),
    "lending": Product("lending", ProductKind.STANDARD),
}


@pytest.fixture
def table(dynamodb):
    return StateTable(dynamodb, create_table(dynamodb, "StateTable"))


def test_a_registry_is_replaced_as_a_whole_by_the_reader_of_its_last_version(table):
    registry = ProductStore(table)
    assert registry.read() == ({}, 0)
    assert registry.replace(PRODUCTS.values(), 0)
    assert registry.read() == (PRODUCTS, 1)
    assert registry.products() == PRODUCTS
    assert not registry.replace([], 0)
    assert registry.replace([PRODUCTS["a"]], 1)
    assert registry.products() == {"a": PRODUCTS["a"]}


def test_the_registry_is_read_once_a_minute(table):
    clock = [0.0]
    registry = ProductStore(table, lambda: clock[0])
    assert registry.kinds() == {}
    table.put(KEY, {"products": {"a": {"kind": "custom"}}}, version=0)
    clock[0] = 59
    assert registry.kinds() == {}
    clock[0] = 60
    assert registry.kinds() == {"a": "custom"}
