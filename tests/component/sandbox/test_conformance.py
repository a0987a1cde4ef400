"""Schemathesis sends the sandbox what the published specification allows and what it forbids."""

import base64
import random
from collections import defaultdict

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support import codat_spec
from tests.support.sandbox.running import running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
IMPLEMENTED = [
    "list-companies", "create-company", "get-company", "replace-company", "update-company",
    "delete-company", "add-product", "remove-product", "refresh-product-data",
    "list-connections", "create-connection", "get-connection", "unlink-connection",
    "delete-connection", "get-profile-syncSettings", "update-profile-syncSettings",
    "get-company-syncSettings", "set-company-syncSettings", "refresh-company-data",
    "refresh-data-type", "get-company-data-status", "list-pull-operations", "get-pull-operation",
    "get-read-validation-results", "list-webhook-consumers", "create-webhook-consumer",
    "delete-webhook-consumer",
]  # fmt: skip
EXAMPLES_PER_OPERATION = 20


def specification():
    """Return Codat's specification plus the statuses that other pages of its documents allow."""
    document = codat_spec.document()
    error = {
        "description": "documented outside the specification",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorMessage"}}},
    }
    paths = {}
    for path, operations in document["paths"].items():
        paths[path] = {}
        for method, operation in operations.items():
            if method != "parameters":
                extra = dict.fromkeys(codat_spec.DOCUMENTED_ELSEWHERE, error)
                paths[path][method] = operation | {"responses": extra | operation["responses"]}
            else:
                paths[path][method] = operation
    return {**document, "paths": paths, "servers": []}


if codat_spec.AT_HAND:
    schema = schemathesis.openapi.from_dict(specification())
else:
    pytest.skip(codat_spec.MISSING.format(codat_spec.SPEC.name), allow_module_level=True)


@pytest.fixture(scope="module")
def sandbox():
    with running("--companies", 400, "--minute-limit", 0, "--read-seconds", 0.2) as process:
        yield process
        assert not never_successful(process.client.get("/_sandbox/requests").json())


def never_successful(requests):
    """List the operations that only refused: what they answer on success was not checked."""
    statuses = defaultdict(list)
    for request in requests:
        if request["path"] == "/":
            continue
        if found := codat_spec.operation(request["method"], request["path"]):
            statuses[found[1]["operationId"]].append(request["status"])
    return [
        name
        for name, seen in statuses.items()
        if len(seen) >= EXAMPLES_PER_OPERATION and not any(200 <= status < 300 for status in seen)
    ]


@pytest.fixture(scope="module")
def known(sandbox):
    """Return companies that exist, so that requests get beyond 404."""
    page = sandbox.client.get("/companies", params={"pageSize": 400}).json()
    return [company for company in page["results"] if company["dataConnections"]]


def aimed(case, known, sandbox):
    """Aim most requests at something that exists; the choice depends on the request alone."""
    rng = random.Random(repr((case.method, case.path, case.path_parameters, case.query, case.body)))
    if rng.random() < 0.25:
        return
    company = rng.choice(known)
    assigned = [product for product in company["products"] if product != "lending"]
    products = [*assigned * 3, "invoice-finance", "cashflow-insights", "lending"]
    real = {
        "companyId": company["id"],
        "connectionId": company["dataConnections"][0]["id"],
        "productIdentifier": rng.choice(products),
        "dataType": rng.choice(["invoices", "payments", "banking-transactions", "items"]),
    }
    if "datasetId" in (case.path_parameters or {}):
        history = sandbox.client.get(f"/companies/{company['id']}/data/history").json()
        real["datasetId"] = next((read["id"] for read in history.get("results", [])), None)
    if "webhookId" in (case.path_parameters or {}):
        body = {"url": "https://hub.example/x", "eventTypes": ["x"]}
        real["webhookId"] = sandbox.client.post("/webhooks", json=body).json().get("id")
    for name in case.path_parameters or {}:
        case.path_parameters[name] = real.get(name) or case.path_parameters[name]
    if "connectionId" in (case.query or {}):
        case.query["connectionId"] = real["connectionId"]
    owner = {"clientId": sandbox.ready["client_id"], "companyId": company["id"]}
    if isinstance(case.body, dict):
        case.body |= {name: real_id for name, real_id in owner.items() if name in case.body}


def a_test_of(operation_id):
    """Build the test of one operation: all that Schemathesis makes of it."""

    @schema.include(operation_id=operation_id).parametrize()
    @hypothesis.settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def every_answer_is_documented(case, sandbox, known):
        aimed(case, known, sandbox)
        key = base64.b64encode(sandbox.ready["api_key"].encode()).decode()
        case.call_and_validate(
            base_url=sandbox.ready["url"], headers={"Authorization": f"Basic {key}"}, checks=CHECKS
        )

    return every_answer_is_documented


# One function per operation: the operations of one function would share an id, and xdist would run
# only one of them.
for identifier in IMPLEMENTED:
    name = identifier.replace("-", "_")
    globals()[f"test_every_answer_to_{name}_is_one_that_codat_documents"] = a_test_of(identifier)
