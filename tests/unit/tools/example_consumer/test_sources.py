"""Each of Codat's data types has a path, and what has no window is read whole."""

from datetime import UTC, datetime

import pytest

from codat_hub.codat.domain.data_types import DATA_TYPES, has_modified_date
from tools.example_consumer.consumer.codat import retry_after
from tools.example_consumer.consumer.sources import SOURCES, source_of
from tools.sandbox.world.catalog import COMPANY_DATA, CONNECTION_DATA

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("40000", 40_000),
        ("1.5", 1.5),
        ("-1", 0),
        ("Wed, 01 Jul 2026 13:00:00 GMT", 3600),
        ("2026-07-01T12:01:00Z", 60),
        ("2026-07-01T11:00:00", 0),
        ("9999999", 86_400),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after(text, NOW) == seconds
