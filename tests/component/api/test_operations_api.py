"""/reconciles, /freshness, /status and /replays as API Gateway calls them: on moto."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber

from codat_hub.codat.adapters.client_check_store import ClientCheckStore
from codat_hub.codat.domain.client_check import ClientCheck
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.product_events.adapters.full_load_store import FullLoadStore
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.usecases.list_overdue import ListOverdue
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limit_notice_store import RateLimitNoticeStore
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.reconcile.domain.reconcile_run import Integration, Phase, ReconcileRun, StepOutcome
from codat_hub.storage.state_table import StateTable
from tests.support.aws import REGION
from tools.simulation.reconciling import PRODUCTS

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=9)


@pytest.fixture(scope="module")
def codat():
    """An address that nothing listens at: none of these routes calls Codat."""

    return SimpleNamespace(ready={"api_key": "k", "url": "http://127.0.0.1:9", "client_id": "c1"})


@pytest.fixture
def table(module, dynamodb):
    made = StateTable(dynamodb, "StateTable")
    assert ProductStore(made).replace(PRODUCTS, 0)
    return made


def queued(name):
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [message["Body"] for message in answer.get("Messages", [])]


def pages(call, path, name, **query):
    """Walk through all pages; return the items and the number of pages."""
    found, count, cursor = [], 0, None
    while True:
        asked = {**query, **({"cursor": cursor} if cursor else {})}
        status, body = call("GET", path, query=asked)
        assert status == 200, body
        found += body[name]
        count += 1
        if not (cursor := body["next_cursor"]):
            return found, count


class TestReconciles:
    def test_a_requested_run_is_queued_and_a_second_request_joins_it(self, call, table):
        status, body = call("POST", "/reconciles")
        assert (status, body["status"]) == (202, "queued")
        assert body["requested_by"].endswith("/ann")
        again, second = call("POST", "/reconciles")
        assert (again, second["reconcile_id"]) == (202, body["reconcile_id"])
        assert {json.loads(message)["reconcile_id"] for message in queued("reconciles")} == {
            body["reconcile_id"]
        }
        _, listed = call("GET", "/reconciles")
        assert [run["reconcile_id"] for run in listed["reconciles"]] == [body["reconcile_id"]]

    def test_runs_are_paged_the_newest_first(self, call, table):
        runs = ReconcileRunStore(table)
        for number in range(5):
            assert runs.put(ReconcileRun(f"2026112{number}", "ann", NOW), 0)
        found, count = pages(call, "/reconciles", "reconciles", limit="2")
        assert [run["reconcile_id"] for run in found] == [f"2026112{n}" for n in (4, 3, 2, 1, 0)]
        assert count == 3

    def test_drift_is_explained_filtered_and_paged(self, call, table):
        runs = ReconcileRunStore(table)
        run = ReconcileRun("r1", "ann", NOW)
        for step in range(130):
            drift = ()
            if step % 3 == 0:
                drift = (Drift(DriftKind.COMPANY_UNKNOWN, "new", f"c{step}", mended=True),)
            if step == 70:
                drift = (Drift(DriftKind.WEBHOOK_MISSING, "late", "c", "lending", "since x"),) * 3
            if drift:
                runs.note(run, drift)
            phase = Phase.COMPANIES if step < 129 else None
            run = run.after(StepOutcome(phase, counts={"companies": 100}), drift, NOW)
        assert runs.put(run, 0)

        status, body = call("GET", "/reconciles/r1", query={"limit": "1"})

        assert (status, body["status"]) == (200, "complete")
        assert body["drift"] == {"company_unknown": 44, "webhook_missing": 3}
        assert (body["mended"], body["unsafe"]) == (44, 3)
        (item,) = body["items"]
        assert (item["severity"], item["mended"]) == ("info", True)
        assert item["to_do"].startswith("Nothing")
        for limit in (1, 7, 47, 200):
            found, _ = pages(call, "/reconciles/r1", "items", limit=str(limit))
            assert [
                drift["company_id"] for drift in found if drift["kind"] == "company_unknown"
            ] == [f"c{step}" for step in range(0, 130, 3) if step != 70]
        found, _ = pages(call, "/reconciles/r1", "items", kind="webhook_missing", limit="2")
        assert [drift["severity"] for drift in found] == ["unsafe"] * 3

    def test_an_unknown_run_is_a_404_and_a_malformed_request_a_400(self, call, table):
        assert call("GET", "/reconciles/none")[0] == 404
        assert call("GET", "/reconciles", query={"cursor": "x"})[0] == 400
        assert call("GET", "/reconciles", query={"limit": "0"})[0] == 400
        status, body = call("GET", "/reconciles/none", query={"kind": "bad"})
        assert status == 400
        assert body["errors"][0]["field"] == "kind"


class TestFreshness:
    @pytest.fixture
    def companies(self, table):
        """Thirty companies with a nightly product that was never read; every third not linked."""
        consent = Consent("invoice-finance", LONG_AGO, "o", "v1", PRODUCTS[0].data_types)
        ids = [f"c{number:02}" for number in range(30)]
        for number, company_id in enumerate(ids):
            status = "Unlinked" if number % 3 == 0 else "Linked"
            entry = Company(
                company_id,
                f"Company {number}",
                connections={"k": Connection(Stamp(NOW, "e"), status, "gbol")},
            )
            assert CompanyStore(table).put(entry, 0)
            held = Assignment(
                company_id, "invoice-finance", AssignmentStatus.ASSIGNED, LONG_AGO, "a", consent
            )
            assert AssignmentStore(table).put(held, 0)
        absent = Assignment("c01", "lending", AssignmentStatus.ABSENT, LONG_AGO)
        assert AssignmentStore(table).put(absent, 0)
        held = AssignmentStore(table).get_many((name, "invoice-finance") for name in ids)
        products = {"invoice-finance": PRODUCTS[0]}
        directory = CompanyStore(table).get_many(ids)
        ListOverdue(ReadStateStore(table))(held.values(), directory, products)  # as at a slot
        return ids

    @pytest.mark.parametrize("limit", ["1", "7", "200"])
    @pytest.mark.parametrize("product", [None, "invoice-finance"])
    def test_every_assignment_comes_once_whatever_the_page(self, call, companies, limit, product):
        query = {"limit": limit} | ({"product": product} if product else {})
        found, _ = pages(call, "/freshness", "freshness", **query)
        assert sorted(row["company_id"] for row in found) == companies

    def test_a_cursor_of_the_other_list_is_refused(self, call, companies):
        for wanted, other in (({}, {"overdue": "true"}), ({"overdue": "true"}, {})):
            _, page = call("GET", "/freshness", query=wanted | {"limit": "1"})
            query = other | {"cursor": page["next_cursor"]}
            status, body = call("GET", "/freshness", query=query)
            assert (status, body["errors"][0]["field"]) == (400, "cursor")

    def test_only_a_readable_product_is_overdue(self, call, companies):
        found, _ = pages(call, "/freshness", "freshness", overdue="true", limit="5")
        linked = [company_id for number, company_id in enumerate(companies) if number % 3]
        assert sorted(row["company_id"] for row in found) == linked
        row = found[0]
        assert row["cadence_seconds"] == 86400
        assert row["overdue_seconds"] == pytest.approx(8 * 86400, abs=4 * 3600)
        assert row["last_read_at"] is None
        assert row["consent"] is True

    def test_a_company_is_shown_with_all_its_products(
        self,
        call,
        companies,
    ):
        _, body = call("GET", "/freshness", query={"company": "c01"})
        assert [row["product"] for row in body["freshness"]] == ["invoice-finance"]
        assert body["freshness"][0]["company_name"] == "Company 1"
        query = {"company": "c00", "overdue": "true"}
        assert call("GET", "/freshness", query=query) == (
            200,
            {"freshness": [], "next_cursor": None},
        )
        assert call("GET", "/freshness", query={"product": "unknown"})[1]["freshness"] == []

    def test_every_request_for_an_unknown_company_gets_the_same_answer(self, call, companies):
        answers = [
            call("GET", "/companies/unknown"),
            call("GET", "/freshness", query={"company": "unknown"}),
            call("POST", "/companies/unknown/products/invoice-finance/refresh"),
            call("POST", "/companies/unknown/refresh"),
        ]
        assert {status for status, _ in answers} == {404}
        assert len({body["detail"] for _, body in answers}) == 1


class TestStatus:
    def test_a_new_hub_shows_what_it_does_not_know_as_null(self, call, table):
        status, body = call("GET", "/status")
        assert status == 200
        assert body["environment"] == "dev"
        assert body["client"] == {
            "bound_to": "c1",
            "confirmed": False,
            "reported": None,
            "checked_at": None,
        }
        assert (body["as_of"], body["last_reconcile"], body["integrations"]) == (None, None, [])
        assert [product["product"] for product in body["products"]] == [
            "cashflow-insights",
            "invoice-finance",
            "lending",
        ]

    def test_it_shows_the_findings_of_the_last_complete_reconcile(self, call, table):
        runs = ReconcileRunStore(table)
        consumers = {"platform": {"at_codat": True, "enabled": True, "secret": False}}
        stepped = StepOutcome(
            None, integrations={"gbol": Integration("QBO", 3, 2)}, facts={"consumers": consumers}
        )
        assert runs.put(ReconcileRun("1", "ann", NOW).after(stepped, (), NOW), 0)
        assert runs.put(ReconcileRun("2", "ann", NOW).failed("no", NOW), 0)
        ClientCheckStore(table).keep(ClientCheck("c1", "C1", "v", NOW))
        limit = RateLimitNotice(Stamp(NOW, "e"), NOW + timedelta(hours=1))
        assert RateLimitNoticeStore(table).put(limit, 0)

        _, body = call("GET", "/status")

        assert body["client"]["confirmed"] is True
        assert body["integrations"] == [
            {"integration": "gbol", "name": "QBO", "connections": 3, "linked": 2}
        ]
        assert body["consumers"] == [
            {"consumer": "platform", "at_codat": True, "enabled": True, "secret": False}
        ]
        assert body["last_reconcile"]["status"] == "failed"
        assert body["calls_barred_until"] is not None

    def test_a_past_limit_blocks_no_calls(self, call, table):
        assert RateLimitNoticeStore(table).put(
            RateLimitNotice(Stamp(NOW, "e"), NOW - timedelta(seconds=1)), 0
        )
        assert call("GET", "/status")[1]["calls_barred_until"] is None


class TestReplays:
    def test_a_replay_is_queued_and_can_be_shown(self, call, table):
        status, body = call("POST", "/replays", {"webhook_ids": ["msg_1"]})
        assert (status, body["status"]) == (202, "queued")
        assert queued("replays") == [body["replay_id"]]
        assert call("GET", f"/replays/{body['replay_id']}") == (200, body)

    def test_the_same_key_is_the_same_replay_and_never_another_one(self, call, table):
        _, body = call("POST", "/replays", {"parked": True}, key="k1")
        status, again = call("POST", "/replays", {"parked": True}, key="k1")
        assert (status, again) == (202, body)
        status, problem = call("POST", "/replays", {"webhook_ids": ["msg_1"]}, key="k1")
        assert (status, problem["type"]) == (422, "urn:codat-hub:problem:idempotency-key-reused")
        assert call("POST", "/replays", {"parked": True}, key="k2")[1] != body

    @pytest.mark.parametrize(
        "selection",
        [
            {},
            {"webhook_ids": []},
            {"parked": False},
            {"parked": True, "webhook_ids": ["msg_1"]},
            {"received_from": "2026-11-22T00:00:00Z"},
            {"received_from": "2026-11-22T00:00:00Z", "received_to": "2026-11-21T00:00:00Z"},
            {"anything": 1},
        ],
    )
    def test_a_malformed_selection_is_refused_and_nothing_is_queued(self, call, table, selection):
        status, body = call("POST", "/replays", selection)
        assert status == 400
        assert body["errors"]
        assert queued("replays") == []

    def test_an_unknown_replay_is_a_404(self, call, table):
        assert call("GET", "/replays/none")[0] == 404


class TestResends:
    SPAN = {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T12:00:00.9+00:00"}  # noqa: RUF012

    @pytest.fixture
    def events(self, module):
        events = boto3.client("events", region_name=REGION)
        pattern = json.dumps({"source": ["codat-hub"]})
        for name in ("lending", "other"):
            events.put_rule(Name=name, EventBusName="products", EventPattern=pattern)
        return events

    def test_a_resend_to_one_rule_is_started_and_can_be_shown(self, call, events):
        status, body = call("POST", "/resends", {"rule": "lending", **self.SPAN})
        assert (status, body["rule"]) == (202, "lending")
        assert datetime.fromisoformat(body["from"]) == datetime(2026, 11, 22, 10, tzinfo=UTC)
        assert datetime.fromisoformat(body["to"]) == datetime(2026, 11, 22, 12, tzinfo=UTC)
        assert body["requested_by"].endswith("/ann")
        assert call("GET", f"/resends/{body['resend_id']}") == (200, body)
        replay = events.describe_replay(ReplayName=f"hub-products-{body['resend_id']}")
        rule = events.describe_rule(Name="lending", EventBusName="products")["Arn"]
        assert replay["Destination"]["FilterArns"] == [rule]

    def test_a_dry_run_says_how_many_at_most_and_starts_nothing(self, call, events):
        entry = {"EventBusName": "products", "Source": "codat-hub", "DetailType": "t"}
        events.put_events(Entries=[{**entry, "Detail": "{}"}] * 3)
        asked = {"rule": "lending", **self.SPAN}
        status, body = call("POST", "/resends", asked, query={"dry_run": "true"})
        assert (status, body["status"], body["resend_id"]) == (202, "planned", None)
        assert body["events_at_most"] == 3
        assert events.list_replays()["Replays"] == []

    def test_the_same_key_is_the_same_resend_and_never_another_one(self, call, events):
        _, body = call("POST", "/resends", {"rule": "lending", **self.SPAN}, key="k1")
        status, again = call("POST", "/resends", {"rule": "lending", **self.SPAN}, key="k1")
        assert (status, again) == (202, body)
        status, _ = call("POST", "/resends", {"rule": "other", **self.SPAN}, key="k1")
        assert status == 422
        assert len(events.list_replays()["Replays"]) == 1

    def test_a_resend_that_is_over_stays_so_when_it_is_cancelled(self, call, events):
        _, body = call("POST", "/resends", {"rule": "lending", **self.SPAN})
        assert call("DELETE", f"/resends/{body['resend_id']}") == (200, body)
        assert body["status"] == "complete"  # moto replays at once

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"from": "yesterday"}, "from"),
            ({"from": "2026-11-22T12:00:00.1Z"}, "from"),
            ({"to": "2126-11-22T12:00:00Z"}, "to"),
            ({"rule": "a b"}, "rule"),
            ({"since": "2026-11-22T10:00:00Z"}, "since"),
        ],
    )
    def test_a_malformed_resend_is_refused(self, call, events, changes, field):
        status, body = call("POST", "/resends", {"rule": "lending", **self.SPAN, **changes})
        assert (status, body["errors"][0]["field"]) == (400, field)
        assert events.list_replays()["Replays"] == []

    def test_a_span_that_eventbridge_refuses_is_refused_in_its_words(self, call, events, module):
        span = self.SPAN | {"from": "0001-01-01T00:00:00Z"}
        words = "Parameter EventStartTime is not valid."
        rule = events.describe_rule(Name="lending", EventBusName="products")
        with Stubber(module.hub.resends.archive._client) as stub:
            stub.add_response("describe_rule", rule)
            stub.add_client_error("start_replay", "ValidationException", words)
            status, body = call("POST", "/resends", {"rule": "lending", **span})
        assert (status, body["errors"][0]["field"]) == (400, "from")
        assert words in body["errors"][0]["message"]

    def test_without_the_rule_or_the_resend_it_is_a_404(self, call, events):
        assert call("POST", "/resends", {"rule": "none", **self.SPAN})[0] == 404
        assert call("GET", "/resends/none")[0] == 404
        assert call("DELETE", "/resends/none")[0] == 404

    def test_a_disabled_rule_is_refused_because_it_would_get_nothing(self, call, events):
        events.disable_rule(Name="lending", EventBusName="products")
        status, body = call("POST", "/resends", {"rule": "lending", **self.SPAN})
        assert (status, "enable-rule" in body["detail"]) == (409, True)
        assert events.list_replays()["Replays"] == []


class TestFullLoads:
    @pytest.fixture
    def assigned(self, table):
        assert CompanyStore(table).put(Company("c"), 0)
        assignments = AssignmentStore(table)
        name = PRODUCTS[0].identifier
        assert assignments.put(Assignment("c", name, AssignmentStatus.ASSIGNED, NOW), 0)
        return name

    def test_one_companys_product_is_owed_one(self, call, table, assigned):
        status, body = call("POST", f"/companies/c/products/{assigned}/full-load")
        assert (status, body["company_id"], body["product"]) == (200, "c", assigned)
        kept, _ = AssignmentStore(table).get("c", assigned)
        assert kept.full_load_owed_at == datetime.fromisoformat(body["owed_at"])

    def test_every_company_is_owed_one_by_one_item(self, call, table, assigned):
        status, body = call("POST", f"/products/{assigned}/full-load")
        assert (status, body["company_id"]) == (200, None)
        owed, version = FullLoadStore(table).get()
        assert (owed, version) == ({assigned: datetime.fromisoformat(body["owed_at"])}, 1)

    def test_an_unknown_product_or_company_is_a_404_and_one_without_the_product_a_409(
        self, call, table, assigned
    ):
        assert call("POST", "/products/none/full-load")[0] == 404
        assert call("POST", "/companies/none/products/none/full-load")[0] == 404
        assert call("POST", f"/companies/none/products/{assigned}/full-load")[0] == 404
        other = PRODUCTS[1].identifier
        assert call("POST", f"/companies/c/products/{other}/full-load")[0] == 409


class TestTails:
    ENTRY = {"EventBusName": "products", "Source": "codat-hub"}  # noqa: RUF012

    def put(self, *products):
        events = boto3.client("events", region_name=REGION)
        detail_type = "ProductReadCompleted"
        events.put_events(
            Entries=[
                self.ENTRY | {"DetailType": detail_type, "Detail": json.dumps({"product": name})}
                for name in products
            ]
        )

    def products(self, call, tail):
        status, body = call("POST", f"/tails/{tail['tail_id']}/events")
        assert status == 200, body
        return sorted(event["detail"]["product"] for event in body["events"])

    def test_events_of_one_product_are_followed_and_each_is_taken_once(self, call, table):
        status, tail = call("POST", "/tails", {"product": "lending"})
        assert status == 200
        sqs, name = boto3.client("sqs", region_name=REGION), "ApproximateNumberOfMessagesDelayed"
        url = sqs.get_queue_url(QueueName="replays")["QueueUrl"]
        waiting = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
        assert waiting[name] == "1"  # the message that ends it in time
        self.put("lending", "other", "lending")
        assert self.products(call, tail) == ["lending", "lending"]
        assert self.products(call, tail) == []

    def test_without_a_product_all_are_followed(self, call, table):
        _, tail = call("POST", "/tails")
        self.put("lending", "other")
        assert self.products(call, tail) == ["lending", "other"]

    def test_nothing_is_left_of_a_closed_tail_and_closing_it_again_does_no_harm(self, call, table):
        _, tail = call("POST", "/tails")
        for _ in range(2):
            status, body = call("DELETE", f"/tails/{tail['tail_id']}")
            assert (status, body) == (200, {"tail_id": tail["tail_id"]})
        assert call("POST", f"/tails/{tail['tail_id']}/events")[0] == 404
        events = boto3.client("events", region_name=REGION)
        assert events.list_rules(EventBusName="products", NamePrefix="products-tail")["Rules"] == []
        sqs = boto3.client("sqs", region_name=REGION)
        assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="products-tail")
