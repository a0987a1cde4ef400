"""The schema in the registry is that of events/schemas, in the form that EventBridge takes."""

import json

import jsonschema
import pytest
from openapi_spec_validator import validate

from tests.support.histories import Ledger, a_read, entry
from tools.event_schema import generated, written
from tools.template import RESOURCES


@pytest.fixture
def document():
    return json.loads(written())


def test_the_template_has_what_is_generated():
    assert written() == generated(), "run `make event-schema`"
    assert RESOURCES["ProductReadCompletedSchema"]["Properties"]["Content"] == generated()


def test_it_is_a_valid_openapi_document(document):
    validate(document)
    assert len(written()) < 65_536  # EventBridge's limit is 122,880 characters


def envelope(detail, **changes):
    names = ("id", "version", "account", "region", "source", "detail-type")
    event = dict.fromkeys(names, "x") | {"time": "2026-07-01T00:00:00Z", "resources": []}
    return event | {"detail": detail} | changes


def test_every_kind_of_event_has_its_form_and_a_wrong_one_has_not(document):
    # JSON Schema has no `nullable`: a null is checked by the schema in events/schemas.
    schema = {**document, "$ref": "#/components/schemas/AWSEvent"}
    reads = [a_read(1), a_read(2, since=1), a_read(3, entry(status="FetchError"), since=2)]
    for event in Ledger().take(*reads).published:
        detail = event.detail()
        for known in detail["data_types"]:
            known["modified_from"] = known["modified_from"] or detail["occurred_at"]
        jsonschema.validate(envelope(detail), schema)
        jsonschema.validate(envelope(detail, **{"replay-name": "r"}), schema)
        for wrong in ({"version": 2}, {"outcome": "odd"}, {"data_types": [{}]}):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(envelope(detail | wrong), schema)
