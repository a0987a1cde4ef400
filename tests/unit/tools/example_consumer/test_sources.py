"""Each of Codat's data types has a path, and what has no window is read whole."""

from codat_hub.codat.domain.data_types import DATA_TYPES, has_modified_date
from tools.example_consumer.consumer.sources import SOURCES, source_of
from tools.sandbox.world.catalog import COMPANY_DATA, CONNECTION_DATA


def test_every_data_type_of_the_registry_has_a_source():
    assert sorted(SOURCES) == sorted(DATA_TYPES)


def test_the_sandbox_has_the_same_paths():
    by_company = {name: one.path for name, one in SOURCES.items() if not one.by_connection}
    assert {path: name for name, path in by_company.items()} == COMPANY_DATA
    by_connection = {name: one.path for name, one in SOURCES.items() if one.by_connection}
    assert by_connection.pop("bankTransactions") == "bankAccounts/{account}/bankTransactions"
    assert {path: name for name, path in by_connection.items()} == CONNECTION_DATA


def test_only_what_the_hub_gives_a_window_is_asked_by_window():
    assert [
        name for name, one in SOURCES.items() if one.paged and not has_modified_date(name)
    ] == []


def test_a_data_type_that_codat_adds_has_the_likeliest_path():
    assert source_of("receipts").path == "receipts"
    assert source_of("banking-cards").by_connection
