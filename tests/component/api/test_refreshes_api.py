"""Refreshes through the control API on moto: from request to queue, planner and ticket."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.adapters.planner import PlannerFunction
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.refresh.domain.ticket import LONGEST, Failure, TicketStatus
from codat_hub.storage.state_table import StateTable
from tests.support.aws import REGION
from tests.support.control_api_handler import CALLER
from tests.support.refreshing import LongContext, imported
from tools.simulation.refresh_world import a_product

PRODUCT = "invoice-finance"
PATH = f"/companies/c1/products/{PRODUCT}/refresh"
NOW = datetime.now(UTC)
CONFLICT = "urn:codat-hub:problem:conflict"
NOT_FOUND = "urn:codat-hub:problem:not-found"


@pytest.fixture(scope="module")
def codat():
    """An address that nothing listens at: none of these routes calls Codat."""
    return SimpleNamespace(ready={"api_key": "k", "url": "http://127.0.0.1:9", "client_id": "c1"})


@pytest.fixture
def table(module, dynamodb):
    made = StateTable(dynamodb, "StateTable")
    products = [
        a_product(PRODUCT, data_types=("invoices", "payments")),
        Product("lending", ProductKind.STANDARD),
    ]
    assert ProductStore(made).replace(products, 0)
    return made


def a_company(table, company_id="c1", *, linked=True):
    status = "Linked" if linked else "Unlinked"
    connections = {"c": Connection(Stamp(NOW, "e"), status)}
    assert CompanyStore(table).put(Company(company_id, connections=connections), 0)
    return company_id


def assign(
    table, company_id="c1", *, agreed=("invoices", "payments"), status=AssignmentStatus.ASSIGNED
):
    consent = Consent(PRODUCT, NOW, "an owner", "1", agreed) if agreed else None
    assigned = Assignment(company_id, PRODUCT, status, NOW, "tests", consent)
    assert AssignmentStore(table).put(assigned, 0)


@pytest.fixture
def ready(table):
    """A company that may be refreshed."""
    assign(table, a_company(table))
    return table


def queued(url):
    sqs = boto3.client("sqs", region_name=REGION)
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


class TestAProductOfACompany:
    def test_the_refresh_is_queued_before_the_answer(self, call, ready, refresh_queue):
        status, asked = call("POST", PATH)
        assert (status, asked["status"], asked["attempts"]) == (202, "sent", 0)
        assert (asked["company_id"], asked["product"]) == ("c1", PRODUCT)
        assert (asked["requested_by"], asked["data_types"]) == (CALLER, None)
        opened, deadline = (datetime.fromisoformat(asked[n]) for n in ("opened_at", "deadline"))
        assert deadline - opened == LONGEST
        assert queued(refresh_queue) == [{"company_id": "c1", "product": PRODUCT, "generation": 1}]
        assert call("GET", PATH) == (200, asked)

    def test_a_second_request_is_the_same_refresh(self, call, ready, refresh_queue):
        first = call("POST", PATH)
        assert call("POST", PATH) == first
        assert len(queued(refresh_queue)) == 1

    def test_a_request_for_all_data_types_follows_one_for_some(self, call, ready, refresh_queue):
        status, asked = call("POST", PATH, {"data_types": ["payments"]})
        assert (status, asked["data_types"]) == (202, ["payments"])
        assert call("POST", PATH, {"data_types": ["payments"]})[1] == asked
        assert call("POST", PATH)[1]["data_types"] is None
        assert {message["generation"] for message in queued(refresh_queue)} == {1, 2}

    def test_the_last_error_and_the_reason_to_wait_are_shown(self, call, ready):
        call("POST", PATH)
        tickets = TicketStore(ready)
        ticket, version = tickets.get("c1", PRODUCT)
        later = ticket.opened_at + timedelta(hours=1)
        failure = Failure("busy", "a read operation is in progress", "corr-1")
        changed = replace(ticket, status=TicketStatus.BUSY, attempts=3, due_at=later)
        assert tickets.put(replace(changed, failure=failure, waits_for=Waits.PACE), version)
        _, shown = call("GET", PATH)
        assert (shown["status"], shown["attempts"], shown["waits_for"]) == ("busy", 3, "pace")
        assert datetime.fromisoformat(shown["next_attempt_at"]) == later
        assert shown["error"] == {
            "kind": "busy",
            "message": "a read operation is in progress",
            "correlation_id": "corr-1",
        }

    def test_a_cancelled_refresh_is_over_and_cancelling_again_changes_nothing(self, call, ready):
        call("POST", PATH)
        status, stopped = call("DELETE", PATH)
        assert (status, stopped["status"], stopped["next_attempt_at"]) == (200, "cancelled", None)
        assert stopped["error"]["message"] == f"cancelled by {CALLER}"
        assert call("DELETE", PATH) == (200, stopped)
        assert call("GET", PATH) == (200, stopped)
        assert call("POST", PATH)[1]["status"] == "sent"

    def test_a_refresh_with_an_unreadable_item_names_the_item(self, call, ready, dynamodb):
        call("POST", PATH)
        key = {"pk": {"S": "COMPANY#c1"}, "sk": {"S": f"REFRESH#TICKET#{PRODUCT}"}}
        dynamodb.update_item(
            TableName="StateTable",
            Key=key,
            UpdateExpression="SET due_at = :text",
            ExpressionAttributeValues={":text": {"S": "soon"}},
        )
        status, body = call("GET", PATH)
        assert (status, body["type"]) == (500, "urn:codat-hub:problem:item-unreadable")
        assert f"COMPANY#c1 / REFRESH#TICKET#{PRODUCT} cannot be read" in body["detail"]

    def test_before_the_first_request_there_is_nothing_to_show(self, call, ready):
        for method in ("GET", "DELETE"):
            status, body = call(method, PATH)
            assert (status, body["type"]) == (404, NOT_FOUND)
            assert f"Company c1 never had a refresh of product {PRODUCT}" in body["detail"]


class TestRefusals:
    """Each refusal says why, and nothing is queued."""

    @pytest.fixture(autouse=True)
    def nothing_is_queued(self, refresh_queue):
        yield
        assert queued(refresh_queue) == []

    def test_an_unknown_company_or_product_is_refused(self, call, table):
        status, body = call("POST", PATH)
        assert (status, body["type"]) == (404, NOT_FOUND)
        assert body["detail"].startswith("The hub knows no company c1.")
        status, body = call("POST", "/companies/c1/products/nope/refresh")
        assert (status, body["type"]) == (404, NOT_FOUND)
        assert "No product 'nope' is registered" in body["detail"]

    def test_a_standard_product_is_refused(self, call, ready):
        for path in ("/companies/c1/products/lending/refresh", "/products/lending/refresh"):
            status, body = call("POST", path)
            assert (status, body["type"]) == (409, CONFLICT)
            assert "lending is a standard product" in body["detail"]

    def test_a_company_without_a_linked_connection_is_refused(self, call, table):
        assign(table, a_company(table, linked=False))
        status, body = call("POST", PATH)
        assert (status, body["type"]) == (409, CONFLICT)
        assert "no linked connection" in body["detail"]

    @pytest.mark.parametrize(
        "status", [AssignmentStatus.ADDING, AssignmentStatus.REMOVING, AssignmentStatus.STALE]
    )
    def test_a_product_that_the_company_does_not_have_is_refused(self, call, table, status):
        assign(table, a_company(table), status=status)
        answered, body = call("POST", PATH)
        assert (answered, body["type"]) == (409, CONFLICT)
        assert f"does not have {PRODUCT} (it is {status})" in body["detail"]
        assert f"tools/hub companies add-product c1 {PRODUCT}" in body["detail"]

    @pytest.mark.parametrize("agreed", [None, ("invoices",)])
    def test_a_product_without_a_covering_consent_is_refused(self, call, table, agreed):
        assign(table, a_company(table), agreed=agreed)
        status, body = call("POST", PATH)
        assert (status, body["type"]) == (409, CONFLICT)
        assert "No active consent covers all data types" in body["detail"]
        assert f"tools/hub consents grant c1 {PRODUCT}" in body["detail"]

    def test_data_types_that_the_product_does_not_have_are_refused(self, call, ready):
        status, body = call("POST", PATH, {"data_types": ["invoices", "bills", "nope"]})
        assert status == 400
        assert [(error["field"], error["value"], error["allowed"]) for error in body["errors"]] == [
            ("data_types[1]", "bills", "invoices, payments"),
            ("data_types[2]", "nope", "invoices, payments"),
        ]

    @pytest.mark.parametrize(
        "body", [{"data_types": []}, {"data_types": "invoices"}, {"types": ["invoices"]}]
    )
    def test_a_malformed_body_is_refused(self, call, ready, body):
        status, refused = call("POST", PATH, body)
        assert (status, refused["type"]) == (400, "urn:codat-hub:problem:invalid")
        assert call("GET", PATH)[0] == 404


class TestAllCompaniesOfAProduct:
    @pytest.fixture
    def planned(self, module, monkeypatch):
        """The events that the planner's function is invoked with."""
        events = []
        client = SimpleNamespace(invoke=lambda **given: events.append(given))
        now = replace(module.hub.refresh_now, plan_now=PlannerFunction(client, "planner"))
        monkeypatch.setattr(module, "hub", replace(module.hub, refresh_now=now))
        return events

    def test_the_planner_opens_a_refresh_for_each_company(
        self,
        call,
        ready,
        planned,
        refresh_queue,
        monkeypatch,
    ):
        assign(ready, a_company(ready, "c2"))
        a_company(ready, "c3")
        status, body = call("POST", f"/products/{PRODUCT}/refresh")
        assert (status, body["product"]) == (202, PRODUCT)
        (invoked,) = planned
        assert (invoked["FunctionName"], invoked["InvocationType"]) == ("planner", "Event")
        event = json.loads(invoked["Payload"])
        assert event["requested_by"] == CALLER

        variables = {"STATE_TABLE": "StateTable", "REFRESH_QUEUE_URL": refresh_queue}
        planner = imported("plan_refreshes", monkeypatch, REFRESH_JITTER_SECONDS="0", **variables)
        assert planner.handler(event, LongContext()) == {"opened": 2}
        for company_id in ("c1", "c2"):
            _, shown = call("GET", f"/companies/{company_id}/products/{PRODUCT}/refresh")
            assert (shown["slot"], shown["requested_by"]) == (body["run"], CALLER)
        assert call("GET", f"/companies/c3/products/{PRODUCT}/refresh")[0] == 404

    def test_an_unregistered_product_is_refused(self, call, ready, planned):
        status, body = call("POST", "/products/nope/refresh")
        assert (status, body["type"]) == (404, NOT_FOUND)
        assert planned == []

    def test_a_planner_that_cannot_be_started_is_a_503(self, call, ready):
        answer = call("POST", f"/products/{PRODUCT}/refresh")
        assert (answer[0], answer[1]["type"]) == (503, "urn:codat-hub:problem:unavailable")
        assert "Retry-After" in answer.headers


class TestByClientLevelSettings:
    PATH = "/companies/c1/refresh"

    def test_all_or_some_data_types_are_refreshed(self, call, table, refresh_queue):
        a_company(table)
        status, asked = call("POST", self.PATH, {"data_types": ["bills", "invoices"]})
        assert (status, asked["status"], asked["product"]) == (202, "sent", None)
        assert asked["data_types"] == ["bills", "invoices"]
        assert call("GET", self.PATH) == (200, asked)
        assert queued(refresh_queue) == [{"company_id": "c1", "product": None, "generation": 1}]
        assert call("GET", PATH)[0] == 404  # that is another ticket

    def test_a_company_with_a_product_is_refused(self, call, ready, refresh_queue):
        status, body = call("POST", self.PATH)
        assert (status, body["type"]) == (409, CONFLICT)
        assert "on product-level settings" in body["detail"]
        assert PRODUCT in body["detail"]
        assert queued(refresh_queue) == []

    def test_unknown_data_types_and_companies_and_missing_links_are_refused(self, call, table):
        assert call("POST", self.PATH)[0] == 404
        a_company(table, linked=False)
        status, body = call("POST", self.PATH)
        assert (status, "no linked connection" in body["detail"]) == (409, True)
        status, body = call("POST", self.PATH, {"data_types": ["nope"]})
        assert (status, body["errors"][0]["field"]) == (400, "data_types[0]")
        assert "none of the data types that Codat knows" in body["errors"][0]["message"]

    def test_before_the_first_request_there_is_nothing_to_show(self, call, table):
        status, body = call("GET", self.PATH)
        assert (status, "by client-level settings" in body["detail"]) == (404, True)


@pytest.mark.parametrize(
    "data_types", [["invoices"] * 300, ["invoices", "invoices"], ["invoices"] * 60_000]
)
@pytest.mark.parametrize("path", [PATH, "/companies/c1/refresh"])
def test_data_types_named_twice_are_refused_by_name_and_cost_no_call(
    call, table, refresh_queue, path, data_types
):
    a_company(table)
    status, body = call("POST", path, {"data_types": data_types})
    assert status == 400
    assert [problem["field"] for problem in body["errors"]] == ["data_types"]
    sqs = boto3.client("sqs", region_name=REGION)
    assert "Messages" not in sqs.receive_message(QueueUrl=refresh_queue)
