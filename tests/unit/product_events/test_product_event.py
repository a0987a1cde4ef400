"""The event that teams receive has a schema, types, a key and a largest size."""

import json
from dataclasses import replace
from typing import get_type_hints

import jsonschema
import pytest
from hypothesis import given, settings

from codat_hub.product_events.domain.product_event import DataTypeDetail, Detail, as_text
from codat_hub.product_events.domain.read_state import ReadState, project
from tests.support.histories import Ledger, a_read, at, entry, histories
from tools.example_consumer.consumer import product_events
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
def test_every_published_event_is_valid_by_the_schema(history):
    for event in Ledger().take(*history).published:
        VALIDATOR.validate(event.detail())


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"outcome": "done"},
        {"event_key": None},
        {"occurred_at": "yesterday"},
        {"part": 0},
        {"parts": "all"},
        {"data_types": []},
    ],
)
def test_the_schema_refuses_another_event(change):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(published().detail() | change)


def test_the_schema_accepts_fields_that_a_later_version_adds():
    detail = published().detail()
    (data_type,) = detail["data_types"]
    VALIDATOR.validate(detail | {"added": 1, "data_types": [data_type | {"added": {}}]})


def test_the_schema_accepts_an_event_of_the_first_version():
    detail = published().detail()
    VALIDATOR.validate({name: detail[name] for name in SCHEMA["required"]})


@pytest.mark.parametrize(
    "change",
    [
        {"full_load": True, "modified_from": as_text(at(1))},
        {"full_load": False, "modified_from": None},
        {"status": "FetchError", "full_load": True},
    ],
)
def test_the_schema_refuses_a_contradictory_window(change):
    detail = published().detail()
    (data_type,) = detail["data_types"]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(detail | {"data_types": [data_type | change]})


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
    properties, required = set(schema["properties"]), set(schema["required"])
    assert set(get_type_hints(typed)) == properties
    assert properties - required == ({"part", "parts"} if schema is SCHEMA else set())


def test_an_event_has_all_documented_fields():
    assert published().detail() == {
        "version": 1,
        "event_key": published().event_key,
        "webhook_id": "msg-1",
        "company_id": "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10",
        "product": "invoice-finance",
        "standard_products": [],
        "outcome": "successful",
        "part": 1,
        "parts": 1,
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


def test_the_key_depends_on_the_read_and_not_on_the_message():
    assert published(webhook_id="another").event_key == published().event_key
    others = [published(product="other"), published(company_id="other"), published(since=0.5)]
    assert len({event.event_key for event in [published(), *others]}) == 4


def test_the_keys_of_a_read_and_of_its_parts_stay_the_same():
    """Teams compare keys with those they have seen, so no version of the hub may change them."""
    assert published().event_key == "15e75a60-0d88-52d2-b53c-8528c21db70a"
    plain = a_read(2, entry(), entry("payments", "b'\"", status="FetchError"), product=None)
    event = project(ReadState(), plain, lambda _: [at(1.5)], ("lending",)).published
    assert event.event_key == "617e85de-66f8-54f3-80e3-4384ec03508a"
    assert [part.event_key for part in event.parts(10)] == [
        "8a9968a6-6d29-55cb-a04c-cd0f3814c005",
        "68894638-9d69-5523-bb72-415ef1c0ffeb",
    ]
    answer = project(
        Ledger().take(a_read(1)).state, a_read(3, since=1), lambda _: [at(2)]
    ).published
    assert answer.event_key == "bdf1ed25-7b96-5145-88e8-e2d8a0d65742"


class TestParts:
    LARGE = published(*(entry(connection_id=f"{n:040}") for n in range(2000)))

    def test_an_event_of_usual_size_is_not_split(self):
        assert list(published().parts()) == [published()]

    def test_a_large_event_becomes_several_that_hold_every_entry_once(self):
        parts = list(self.LARGE.parts())
        assert len(parts) > 1
        assert all(len(json.dumps(part.detail())) <= 240 * 1024 for part in parts)
        assert [window for part in parts for window in part.windows] == list(self.LARGE.windows)

    def test_all_parts_have_the_outcome_of_the_read_and_are_numbered(self):
        failing = entry(connection_id="z", status="FetchError")
        event = published(*(entry(connection_id=f"{n:040}") for n in range(2000)), failing)
        details = [part.detail() for part in event.parts()]
        assert {detail["outcome"] for detail in details} == {"unsuccessful"}
        assert [detail["part"] for detail in details] == list(range(1, len(details) + 1))
        assert {detail["parts"] for detail in details} == {len(details)}
        for detail in details:
            VALIDATOR.validate(detail)

    def test_each_part_has_a_key_that_depends_on_its_entries(self):
        parts = list(self.LARGE.parts())
        assert len({part.event_key for part in parts}) == len(parts)
        shrunk = replace(self.LARGE, windows=self.LARGE.windows[5:])
        theirs = {part.event_key: part.windows for part in parts}
        for part in shrunk.parts():
            assert theirs.get(part.event_key, part.windows) == part.windows
