"""The event that teams receive: its schema, its types, its size, its key."""

import json
from dataclasses import replace
from typing import get_type_hints

import jsonschema
import pytest
from hypothesis import given, settings

from codat_hub.product_events.domain.product_event import DataTypeDetail, Detail, as_text
from codat_hub.product_events.domain.read_state import ReadState, project
from tests.support.histories import Ledger, a_read, at, entry, histories
from tools.example_consumer import product_events
from tools.samconfig import ROOT

SCHEMA = json.loads((ROOT / "events/schemas/product_read_completed.v1.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(
    SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def published(*entries, **changes):
    return project(ReadState(), a_read(1, *entries, **changes)).published


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@settings(max_examples=100, deadline=None)
@given(history=histories())
def test_every_published_event_is_as_the_schema_says(history):
    for event in Ledger().take(*history).published:
        VALIDATOR.validate(event.detail())


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"outcome": "done"},
        {"event_key": None},
        {"occurred_at": "yesterday"},
        {"extra": 1},
        {"data_types": []},
    ],
)
def test_the_schema_refuses_what_is_no_such_event(change):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(published().detail() | change)


@pytest.mark.parametrize(
    "change",
    [
        {"full_load": True, "modified_from": as_text(at(1))},
        {"full_load": False, "modified_from": None},
        {"status": "FetchError", "full_load": True},
    ],
)
def test_the_schema_refuses_a_window_that_says_two_things(change):
    detail = published().detail()
    (one,) = detail["data_types"]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(detail | {"data_types": [one | change]})


@pytest.mark.parametrize(
    ("typed", "schema"),
    [
        (Detail, SCHEMA),
        (DataTypeDetail, SCHEMA["$defs"]["data_type"]),
        (product_events.ProductReadCompleted, SCHEMA),
        (product_events.DataTypeRead, SCHEMA["$defs"]["data_type"]),
    ],
)
def test_types_and_schema_name_the_same_fields(typed, schema):
    assert set(get_type_hints(typed)) == set(schema["properties"]) == set(schema["required"])


def test_an_event_says_all_that_the_design_promises():
    assert published().detail() == {
        "version": 1,
        "event_key": published().event_key,
        "webhook_id": "msg-1",
        "company_id": "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10",
        "product": "invoice-finance",
        "standard_products": [],
        "outcome": "successful",
        "occurred_at": "2026-07-01T01:00:00.000000Z",
        "data_types": [
            {
                "data_type": "invoices",
                "connection_id": "a",
                "status": "Complete",
                "records_modified": True,
                "full_load": True,
                "modified_from": None,
            }
        ],
    }


def test_the_key_is_the_reads_whatever_the_message_it_came_in():
    assert published(webhook_id="another").event_key == published().event_key
    others = [published(product="other"), published(company_id="other"), published(since=0.5)]
    assert len({event.event_key for event in [published(), *others]}) == 4


class TestParts:
    LARGE = published(*(entry(connection_id=f"{n:040}") for n in range(2000)))

    def test_an_event_of_usual_size_is_one(self):
        assert list(published().parts()) == [published()]

    def test_a_large_event_becomes_several_that_hold_every_entry_once(self):
        parts = list(self.LARGE.parts())
        assert len(parts) > 1
        assert all(len(json.dumps(part.detail())) <= 240 * 1024 for part in parts)
        assert [one for part in parts for one in part.windows] == list(self.LARGE.windows)

    def test_each_part_has_a_key_that_says_what_is_in_it(self):
        parts = list(self.LARGE.parts())
        assert len({part.event_key for part in parts}) == len(parts)
        shrunk = replace(self.LARGE, windows=self.LARGE.windows[5:])
        theirs = {part.event_key: part.windows for part in parts}
        for part in shrunk.parts():
            assert theirs.get(part.event_key, part.windows) == part.windows
