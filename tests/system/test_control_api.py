"""The deployed control API: its callers, its effects at Codat, its answers."""

from dataclasses import replace
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks

from tests.support.system.control_api import ControlApi, Signature, as_role
from tests.support.waiting import eventually
from tools.cli.product_file import load
from tools.local.codat import codat_client
from tools.openapi import DOCUMENT
from tools.samconfig import ROOT

PRODUCT = "invoice-finance"
SCHEMA = schemathesis.openapi.from_path(DOCUMENT)
CHECKED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(hub):
    """Call the API as the account's root; restore the registry afterwards."""
    root = ControlApi(hub.described["api_url"], hub.described["region"])
    yield root
    file = load(ROOT / "products.yaml")
    products = [{"product": name, **fields} for name, fields in file.products.items()]
    assert root.call("PUT", "/products", {"products": products})[0] == 200


@pytest.fixture(scope="module")
def reader(hub, api):
    credentials = as_role(hub, "hub-reader", hub.described["control_api_reader"])
    return replace(api, credentials=credentials)


@pytest.fixture(scope="module")
def operator(hub, api):
    credentials = as_role(hub, "hub-operator", hub.described["control_api_operator"])
    return replace(api, credentials=credentials)


class TestCallers:
    def test_an_unsigned_request_is_refused_by_the_gateway(self, api):
        status, body = replace(api, credentials=None).call("GET", "/products")
        assert (status, body["type"]) == (403, "urn:codat-hub:problem:refused")

    def test_a_role_without_permission_is_refused_by_the_gateway(self, hub, api):
        nobody = replace(api, credentials=as_role(hub, "hub-nobody"))
        for method in ("GET", "PUT", "POST", "DELETE"):
            # the emulator's body differs from AWS here
            assert nobody.call(method, "/products", {"products": []})[0] == 403, method

    def test_a_reader_reads_and_changes_nothing(self, reader):
        assert reader.call("GET", "/products")[0] == 200
        assert reader.call("GET", "/companies")[0] == 200
        assert reader.call("PUT", "/products?dry_run=true", {"products": []})[0] == 403
        assert reader.call("POST", "/companies", {"name": "Reader Ltd"})[0] == 403
        assert reader.call("DELETE", f"/products/{PRODUCT}")[0] == 403

    def test_an_operator_changes_products(self, operator):
        body = {"kind": "custom", "data_types": ["invoices"], "team": "lending"}
        assert operator.call("PUT", "/products/system-test", body)[0] == 200
        assert operator.call("DELETE", "/products/system-test")[0] == 200


def test_a_company_is_created_with_a_product_that_a_revocation_removes(hub, operator):
    fields = {
        "kind": "custom",
        "data_types": ["invoices", "payments", "customers"],
        "schedule": {"expression": "cron(30 22 * * ? *)", "timezone": "Europe/London"},
    }
    status, applied = operator.call("PUT", f"/products/{PRODUCT}", fields)
    assert (status, applied["scheduled"]) == (200, [PRODUCT])
    scheduler, group = hub.client("scheduler"), hub.described["schedule_group"]
    held = scheduler.get_schedule(GroupName=group, Name=f"refresh-{PRODUCT}")
    assert held["ScheduleExpression"] == "cron(30 22 * * ? *)"
    consent = {
        "granted_by": "J. Baker",
        "text_version": "1",
        "data_types": fields["data_types"],
    }
    wanted = {"name": "Quay Bakery", "products": [PRODUCT], "consents": {PRODUCT: consent}}
    status, created = operator.call("POST", "/companies", wanted, key=uuid4().hex)
    assert (status, created["complete"]) == (201, True)
    company = created["company_id"]
    with codat_client(hub.codat) as codat:
        assert PRODUCT in codat.get(f"/companies/{company}").json()["products"]
        # its webhook updates the directory too
        eventually(lambda: PRODUCT in operator.call("GET", f"/companies/{company}")[1]["products"])
        _, shown = operator.call("GET", f"/companies/{company}")
        assert ":assumed-role/hub-operator-" in shown["assignments"][0]["changed_by"]
        path = f"/companies/{company}/consents/{PRODUCT}?reason=closed"
        status, gone = operator.call("DELETE", path)
        assert (status, gone["status"]) == (200, "absent")
        assert PRODUCT not in codat.get(f"/companies/{company}").json()["products"]


def test_the_planner_accepts_the_schedules_input(hub, operator):
    """The emulator does not check the scheduler's role; the template's test does."""
    scheduler, group = hub.client("scheduler"), hub.described["schedule_group"]
    held = scheduler.get_schedule(GroupName=group, Name=f"refresh-{PRODUCT}")
    given = held["Target"]["Input"].replace(
        "<aws.scheduler.scheduled-time>", "2026-07-01T22:00:00Z"
    )
    answer = hub.client("lambda").invoke(FunctionName=held["Target"]["Arn"], Payload=given)
    assert "FunctionError" not in answer, answer["Payload"].read()


def a_test_of(operation_id):
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @SCHEMA.include(operation_id=operation_id).parametrize()
    @settings(
        max_examples=8,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def every_answer_is_documented(case, api):
        case.call_and_validate(base_url=api.url, auth=Signature(api.region), checks=CHECKED)

    return every_answer_is_documented


# One function per operation: the operations of one function would share an id, and xdist would run
# only one of them.
for found in SCHEMA.get_all_operations():
    identifier = found.ok().definition.raw["operationId"]
    globals()[f"test_every_answer_to_{identifier}_is_a_documented_one"] = a_test_of(identifier)
