"""The checked-in OpenAPI document is generated from the code, valid, and names every response."""

import json
import re

import pytest
from openapi_spec_validator import validate

from codat_hub.api.app import openapi
from codat_hub.api.problems import MEDIA_TYPE
from tools.openapi import DOCUMENT, generated

OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in openapi()["paths"].items()
    for method, operation in methods.items()
]


def test_the_document_is_generated_from_the_code():
    assert DOCUMENT.read_text() == generated(), "run `make openapi`"


def test_the_document_is_valid():
    validate(json.loads(DOCUMENT.read_text()))


def test_every_route_of_the_control_api_is_there():
    assert {(method, path) for method, path, _ in OPERATIONS} >= {
        ("GET", "/products"),
        ("PUT", "/products"),
        ("GET", "/products/{product}"),
        ("PUT", "/products/{product}"),
        ("DELETE", "/products/{product}"),
        ("POST", "/companies"),
        ("GET", "/companies"),
        ("GET", "/companies/{company_id}"),
        ("PUT", "/companies/{company_id}/products/{product}"),
        ("DELETE", "/companies/{company_id}/products/{product}"),
        ("GET", "/companies/{company_id}/consents"),
        ("PUT", "/companies/{company_id}/consents/{product}"),
        ("DELETE", "/companies/{company_id}/consents/{product}"),
    }


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_operation_is_signed_and_documents_its_answers(method, path, operation):
    answers = operation["responses"]
    assert {"400", "403", "415", "429", "500", "503", "504"} <= set(answers)
    assert any(status.startswith("2") for status in answers)
    for status, answer in answers.items():
        kinds = set(answer["content"])
        expected = (
            {"application/json"} if status.startswith("2") else {MEDIA_TYPE, "application/json"}
        )
        assert kinds <= expected, status
        schemas = [content["schema"] for content in answer["content"].values()]
        assert all(schemas), status
    assert openapi()["security"] == [{"sigv4": []}]
    assert operation["operationId"].isidentifier()
    assert operation["summary"]


def test_every_get_that_an_answer_points_to_exists():
    named = {
        ("GET", path if target == "on the same path" else target)
        for _, path, operation in OPERATIONS
        for answer in operation["responses"].values()
        for target in re.findall(r"GET (on the same path|/\S+)", answer["description"])
    }
    assert len(named) > 1
    assert named - {(method, path) for method, path, _ in OPERATIONS} == set()


def test_operation_ids_are_unique():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))
