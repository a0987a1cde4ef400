"""Products, consents and companies through the control API, as API Gateway calls it."""

import importlib
import json
import sys

import boto3
import pytest

from tests.support.aws import REGION, Context
from tests.support.control_api_handler import CALLER, MODULE
from tools.samconfig import ROOT


def a_grant(products, name, **changes):
    grant = {"granted_by": "J. Baker", "text_version": "2026-01", "data_types": products[name]}
    return grant | changes


def at_codat(codat, company_id):
    return codat.client.get(f"/companies/{company_id}").json()["products"]


class TestProducts:
    def test_a_registry_is_applied_as_a_whole_and_its_schedules_with_it(self, call, registered):
        scheduler = boto3.client("scheduler", region_name=REGION)
        listed = scheduler.list_schedules(GroupName="refreshes")["Schedules"]
        assert sorted(schedule["Name"] for schedule in listed) == [
            f"refresh-{name}" for name in registered
        ]
        name = f"refresh-{registered[0]}"
        held = scheduler.get_schedule(GroupName="refreshes", Name=name)
        assert held["ScheduleExpression"] == "cron(0 23 * * ? *)"
        assert held["ScheduleExpressionTimezone"] == "Europe/London"
        assert held["FlexibleTimeWindow"] == {"Mode": "OFF"}
        assert json.loads(held["Target"]["Input"]) == {
            "product": registered[0],
            "scheduled_time": "<aws.scheduler.scheduled-time>",
        }
        status, body = call("GET", "/products")
        assert status == 200
        assert [product["product"] for product in body["products"]] == sorted(
            [*registered, "lending"]
        )

    def test_a_dry_run_shows_the_difference_and_changes_nothing(self, call, registered):
        body = {"products": [{"product": "lending", "kind": "standard", "name": "Lending"}]}
        status, shown = call("PUT", "/products", body, {"dry_run": "true"})
        assert (status, shown["applied"]) == (200, False)
        assert {change["product"]: change["change"] for change in shown["changes"]} == {
            registered[0]: "removed",
            registered[1]: "removed",
            "lending": "changed",
        }
        assert len(call("GET", "/products")[1]["products"]) == 3

    def test_every_problem_is_named_and_nothing_changed(self, call):
        wrong = {
            "product": "in voice#1",
            "kind": "standard",
            "data_types": ["invoice", "payments", "payments"],
            "schedule": {"expression": "cron(0 25 * * * *)", "timezone": "Europe/Lodnon"},
        }
        status, body = call("PUT", "/products", {"products": [wrong, wrong | {"kind": "own"}]})
        assert status == 400
        fields = [(error["field"], error["message"]) for error in body["errors"]]
        assert ("products[0].product", "not a product identifier") in fields
        assert ("products[0].data_types", "unknown data type") in fields
        assert ("products[0].data_types", "named 2 times") in fields
        assert ("products[1].kind", "unknown kind") in fields
        assert ("products", "named 2 times") in fields
        text = " ".join(message for _, message in fields)
        assert "standard product cannot be refreshed by schedule" in text
        assert "did you mean Europe/London?" in text
        assert "hours: '25'" in text
        assert "exactly one of the two must be ?" in text
        assert "did you mean invoices?" in str(body["errors"])
        assert call("GET", "/products")[1] == {"products": []}

    def test_a_product_is_added_changed_and_removed_with_its_schedule(self, call, group):
        scheduler = boto3.client("scheduler", region_name=REGION)
        fields = {"kind": "custom", "data_types": ["invoices"]}
        daily = {"schedule": {"expression": "rate(1 day)", "enabled": False}}
        assert call("PUT", "/products/mine", fields | daily)[1]["scheduled"] == ["mine"]
        (held,) = scheduler.list_schedules(GroupName=group)["Schedules"]
        assert held["State"] == "DISABLED"
        assert call("PUT", "/products/mine", fields | daily)[1]["scheduled"] == []
        assert call("PUT", "/products/mine", fields)[1]["scheduled"] == ["mine"]
        assert scheduler.list_schedules(GroupName=group)["Schedules"] == []
        assert call("GET", "/products/mine")[1]["kind"] == "custom"
        assert call("DELETE", "/products/mine")[0] == 200
        assert call("DELETE", "/products/mine")[0] == 404

    def test_repeating_an_unfinished_apply_finishes_it(self, call, group, registered):
        scheduler = boto3.client("scheduler", region_name=REGION)
        scheduler.delete_schedule(GroupName=group, Name=f"refresh-{registered[0]}")
        status, body = call("GET", f"/products/{registered[0]}")
        assert status == 200
        product = body.pop("product")
        status, body = call("PUT", f"/products/{product}", body)
        assert (status, body["scheduled"]) == (200, [product])
        assert {change["change"] for change in body["changes"]} == {"unchanged"}

    def test_a_product_that_companies_have_is_not_dropped(
        self, call, registered, company, products
    ):
        name = registered[0]
        call("PUT", f"/companies/{company}/consents/{name}", a_grant(products, name))
        assert call("PUT", f"/companies/{company}/products/{name}")[0] == 200
        for method, path, body in (
            ("DELETE", f"/products/{name}", None),
            ("PUT", "/products", {"products": []}),
        ):
            status, refused = call(method, path, body)
            assert status == 409
            assert refused["errors"][0]["message"] == "1 companies have this product"
        assert len(call("GET", "/products")[1]["products"]) == 3


class TestConsent:
    def test_without_a_covering_consent_a_product_is_refused(
        self, call, codat, registered, company, products
    ):
        name = registered[0]
        status, body = call("PUT", f"/companies/{company}/products/{name}")
        assert status == 409
        assert "no consent is recorded" in body["detail"]
        assert [
            error["value"] if "value" in error else error.get("allowed") for error in body["errors"]
        ]
        narrow = a_grant(products, name, data_types=products[name][:1])
        status, recorded = call("PUT", f"/companies/{company}/consents/{name}", narrow)
        assert status == 200
        assert "cannot be added" in recorded["warnings"][0]
        status, body = call("PUT", f"/companies/{company}/products/{name}")
        assert status == 409
        assert [error["value"] for error in body["errors"]] == products[name][1:]
        assert name not in at_codat(codat, company)

    def test_revoking_a_consent_removes_its_product_only(
        self, call, codat, registered, company, products
    ):
        first, second = registered
        for name in registered:
            grant = a_grant(products, name)
            assert call("PUT", f"/companies/{company}/consents/{name}", grant)[0] == 200
            status, body = call("PUT", f"/companies/{company}/products/{name}")
            assert (status, body["status"], body["changed_by"]) == (200, "assigned", CALLER)
            assert call("PUT", f"/companies/{company}/products/{name}")[0] == 200
        assert set(registered) <= set(at_codat(codat, company))
        path = f"/companies/{company}/consents/{first}"
        assert call("DELETE", path)[0] == 400
        status, body = call("DELETE", path, query={"reason": "customer closed the loan"})
        assert (status, body["status"], body["consent_active"]) == (200, "absent", False)
        held = at_codat(codat, company)
        assert first not in held
        assert second in held
        status, body = call("GET", f"/companies/{company}/consents", query={"history": "true"})
        by_product = {consent["product"]: consent for consent in body["consents"]}
        assert by_product[first]["revoked_at"] is not None
        assert by_product[second]["revoked_at"] is None
        assert [(entry["number"], entry["by"], entry["reason"]) for entry in body["history"]] == [
            (1, CALLER, None),
            (2, CALLER, "customer closed the loan"),
            (1, CALLER, None),
        ]

    @pytest.mark.parametrize(
        ("fault", "status"), [({"status": 403}, 502), ({"reset": "before"}, 503)]
    )
    def test_a_revocation_that_codat_refuses_is_recorded_and_says_so(
        self, call, codat, registered, company, products, fault, status
    ):
        name = registered[0]
        path = f"/companies/{company}/consents/{name}"
        call("PUT", path, a_grant(products, name))
        assert call("PUT", f"/companies/{company}/products/{name}")[0] == 200
        codat.portal("/faults", path=f"products/{name}", method="DELETE", times=1, **fault)
        answered, body = call("DELETE", path, query={"reason": "asked"})
        assert (answered, at_codat(codat, company)) == (status, [name])
        ours, _, theirs = body["detail"].partition(" Codat said: ")
        assert ours.endswith(
            "The revocation is recorded, and no refresh is asked for from now on. Codat may still "
            "have the product: repeat the request when the cause is repaired, or leave it to the "
            "nightly reconcile."
        )
        assert bool(theirs) is (status == 502)
        assert call("GET", f"/companies/{company}/consents")[1]["consents"][0]["revoked_at"]
        assert call("DELETE", path, query={"reason": "asked"})[0] == 200
        assert at_codat(codat, company) == []

    def test_a_consent_to_another_text_is_recorded_with_a_warning(
        self, call, registered, company, products
    ):
        name = registered[0]
        grant = a_grant(products, name, text_version="2025-07")
        status, body = call("PUT", f"/companies/{company}/consents/{name}", grant)
        assert status == 200
        assert body["warnings"] == ["It is to text version 2025-07; customers now see 2026-01."]

    def test_a_narrower_consent_to_an_assigned_product_is_refused(
        self, call, registered, company, products
    ):
        name = registered[0]
        path = f"/companies/{company}/consents/{name}"
        call("PUT", path, a_grant(products, name))
        call("PUT", f"/companies/{company}/products/{name}")
        status, body = call("PUT", path, a_grant(products, name, data_types=["company"]))
        assert status == 409
        assert "revoke the consent" in body["detail"]

    def test_nothing_is_recorded_for_an_unknown_company(self, call, registered, products):
        name = registered[0]
        grant = a_grant(products, name)
        assert call("PUT", "/companies/no-such/consents/" + name, grant)[0] == 404
        assert call("PUT", "/companies/no-such/products/" + name)[0] == 409
        assert call("DELETE", f"/companies/c/consents/{name}", query={"reason": "x"})[0] == 404
        assert call("GET", "/companies/c/consents")[1]["consents"] == []


class TestCompanies:
    def test_creating_again_with_the_same_key_answers_the_same(
        self, call, codat, registered, products
    ):
        name = registered[0]
        body = {
            "name": "Salt Quay Chandlers",
            "tags": {"region": "north"},
            "products": [name],
            "consents": {name: a_grant(products, name)},
        }
        status, created = call("POST", "/companies", body, key="one")
        assert status == 201
        assert created["complete"] is True
        assert created["products"][0]["status"] == "assigned"
        assert name in at_codat(codat, created["company_id"])
        assert call("POST", "/companies", body, key="one") == (201, created)
        status, problem = call("POST", "/companies", body | {"name": "Other"}, key="one")
        assert (status, problem["type"]) == (422, "urn:codat-hub:problem:idempotency-key-reused")

    def test_repeating_a_partly_failed_creation_finishes_it(
        self, call, codat, registered, products
    ):
        first, second = registered
        body = {
            "name": "Mill Row Joinery",
            "products": [first, second],
            "consents": {first: a_grant(products, first)},
        }
        codat.portal("/faults", path=f"products/{first}", method="PUT", status=503, times=1)
        status, partial = call("POST", "/companies", body, key="two")
        assert (status, partial["complete"]) == (201, False)
        assert [outcome["status"] for outcome in partial["products"]] == ["failed", "refused"]
        company = partial["company_id"]
        call("PUT", f"/companies/{company}/consents/{second}", a_grant(products, second))
        status, done = call("POST", "/companies", body, key="two")
        assert (status, done["complete"], done["company_id"]) == (201, True, company)
        assert set(registered) <= set(at_codat(codat, company))

    @pytest.mark.parametrize("reset", ["before", "after"])
    def test_a_lost_answer_makes_no_second_company(self, call, codat, reset):
        body = {"name": f"Tide Works {reset}"}
        codat.portal("/faults", path="^/companies$", method="POST", reset=reset, times=1)
        status, problem = call("POST", "/companies", body, key=f"lost-{reset}")
        assert (status, problem["type"]) == (503, "urn:codat-hub:problem:codat-unavailable")
        status, created = call("POST", "/companies", body, key=f"lost-{reset}")
        assert status == 201
        named = codat.client.get("/companies", params={"pageSize": 100}).json()["results"]
        assert [known["id"] for known in named if known["name"] == body["name"]] == [
            created["company_id"]
        ]

    def test_every_problem_of_a_company_is_named(self, call, registered):
        body = {
            "name": "\u0000",
            "tags": {"k" * 28: "v"},
            "products": ["nope"],
            "consents": {"nope": {"granted_by": " ", "text_version": "1", "data_types": ["x"]}},
        }
        status, problem = call("POST", "/companies", body)
        assert status == 400
        assert [error["field"] for error in problem["errors"]] == [
            "name",
            "tags",
            "consents.nope.data_types",
            "consents.nope.granted_by",
            "products",
            "consents",
        ]

    def test_the_list_is_paged_and_filtered(self, call, registered, products):
        made = [
            call("POST", "/companies", {"name": f"Paged {number}"})[1]["company_id"]
            for number in range(5)
        ]
        name = registered[0]
        call("PUT", f"/companies/{made[3]}/consents/{name}", a_grant(products, name))
        assert call("PUT", f"/companies/{made[3]}/products/{name}")[0] == 200
        found, cursor = [], None
        while True:
            query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            status, page = call("GET", "/companies", query=query)
            assert status == 200
            assert len(page["companies"]) <= 2
            found += [company["company_id"] for company in page["companies"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert sorted(found) == sorted(made)
        for query, expected in (
            ({"product": name}, [made[3]]),
            ({"product": name, "status": "assigned"}, [made[3]]),
            ({"product": name, "status": "stale"}, []),
            ({"name": "PAGED 4"}, [made[4]]),
            ({"linked": "true"}, []),
        ):
            listed = call("GET", "/companies", query=query)[1]["companies"]
            assert [company["company_id"] for company in listed] == expected, query
        for query in ({"status": "assigned"}, {"cursor": "x"}, {"cursor": "WzEsMl0="}):
            assert call("GET", "/companies", query=query)[0] == 400, query

    def test_a_company_is_shown_with_its_products(self, call, registered, company, products):
        name = registered[0]
        call("PUT", f"/companies/{company}/consents/{name}", a_grant(products, name))
        call("PUT", f"/companies/{company}/products/{name}")
        status, body = call("GET", f"/companies/{company}")
        assert (status, body["name"], body["linked"]) == (200, "Harbour Lane Bakery", False)
        (shown,) = body["assignments"]
        assert (shown["product"], shown["status"], shown["consent_active"]) == (
            name,
            "assigned",
            True,
        )
        assert call("GET", "/companies/nobody")[0] == 404

    def test_removing_a_product_leaves_its_consent(
        self, call, codat, registered, company, products
    ):
        name = registered[0]
        path = f"/companies/{company}/products/{name}"
        call("PUT", f"/companies/{company}/consents/{name}", a_grant(products, name))
        call("PUT", path)
        status, body = call("DELETE", path)
        assert (status, body["status"], body["consent_active"]) == (200, "absent", True)
        assert name not in at_codat(codat, company)
        assert call("DELETE", path)[1]["status"] == "absent"
        assert call("PUT", path)[1]["status"] == "assigned"

    def test_a_removal_after_an_add_without_an_answer_is_not_called_done(
        self, call, codat, registered, company, products
    ):
        name = registered[0]
        path = f"/companies/{company}/products/{name}"
        call("PUT", f"/companies/{company}/consents/{name}", a_grant(products, name))
        codat.portal("/faults", path=f"products/{name}", method="PUT", reset="after", times=1)
        unknown, body = call("PUT", path)
        assert (unknown, "Whether it was added is not known" in body["detail"]) == (503, True)
        answer = call("DELETE", path)
        assert (answer[0], answer[1]["status"]) == (202, "removing")
        assert 1 <= int(answer.headers["Retry-After"][0]) <= 60
        assert name not in at_codat(codat, company)


def test_the_example_event_is_answered(module):
    event = json.loads((ROOT / "events/control_api.json").read_text())
    answer = module.handler(event, Context())
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"companies": [], "next_cursor": None}


class TestProblems:
    def test_another_client_than_the_bound_one_changes_nothing(
        self, call, module, codat, monkeypatch, registered, company, products
    ):
        consent = f"/companies/{company}/consents/{registered[0]}"
        call("PUT", consent, a_grant(products, registered[0]))
        before = codat.client.get("/companies").json()["totalResults"]
        monkeypatch.setenv("CODAT_CLIENT_ID", "11111111-2222-3333-4444-555555555555")
        monkeypatch.delitem(sys.modules, MODULE)
        monkeypatch.setattr(module, "hub", importlib.import_module(MODULE).hub)
        status, body = call("POST", "/companies", {"name": "Nobody"})
        assert (status, body["type"]) == (409, "urn:codat-hub:problem:wrong-codat-client")
        assert body["detail"].count("Store the API key") == 1
        status, body = call("DELETE", consent, query={"reason": "asked"})
        assert (status, "The revocation is recorded" in body["detail"]) == (409, True)
        assert codat.client.get("/companies").json()["totalResults"] == before

    @pytest.mark.parametrize(
        ("fault", "status", "name"),
        [
            ({"status": 429, "headers": {"Retry-After": "7"}}, 429, "codat-rate-limited"),
            ({"status": 500}, 503, "codat-unavailable"),
            ({"status": 401}, 502, "codat-key-refused"),
            ({"status": 403}, 502, "codat-forbids"),
            ({"status": 400}, 400, "codat-refused"),
            ({"status": 404}, 404, "not-at-codat"),
            ({"status": 204}, 502, "codat-not-understood"),
            ({"reset": "before"}, 503, "codat-unavailable"),
        ],
    )
    def test_codats_failures_say_what_to_do(self, call, codat, fault, status, name):
        call("POST", "/companies", {"name": "Warm"})
        codat.portal("/faults", path="^/companies$", method="POST", times=1, **fault)
        answer = call("POST", "/companies", {"name": "Fault"})
        assert answer[0] == status
        assert answer[1]["type"] == f"urn:codat-hub:problem:{name}"
        assert ("Retry-After" in answer.headers) == (status in {429, 503})

    def test_a_broken_store_is_503_without_its_name(self, call, dynamodb):
        dynamodb.delete_table(TableName="StateTable")
        status, body = call("GET", "/products")
        assert (status, body["type"]) == (503, "urn:codat-hub:problem:unavailable")
        assert "StateTable" not in json.dumps(body)

    @pytest.mark.parametrize("raw", ["", "null", "[]", "{", "1", '"\\ud800"', "\ufeff{}"])
    def test_any_body_gets_a_problem(self, call, raw):
        status, body = call("PUT", "/products", raw=raw)
        assert (status, body["type"]) == (400, "urn:codat-hub:problem:invalid")

    @pytest.mark.parametrize(
        ("raw", "field"),
        [
            ('{"name": ' + "9" * 5000 + "}", "name"),
            ('{"products": [{"schedule": ' + "9" * 5000 + "}]}", "products[0].schedule"),
            ('{"name": ' + "1." + "9" * 5000 + "}", "name"),
            ('{"tags": ' + '{"a": ' * 50 + "1" + "}" * 50 + "}", "tags" + ".a" * 19),
            ("[" * 100_000 + "]" * 100_000, "body"),
            ('{"name": ' + "[" * 500 + "]" * 500 + "}", "name" + "[0]" * 19),
        ],
    )
    def test_a_body_that_no_route_can_take_is_400_and_names_the_field(self, call, raw, field):
        for method, path in (("POST", "/companies"), ("PUT", "/products")):
            status, body = call(method, path, raw=raw)
            assert (status, body["type"]) == (400, "urn:codat-hub:problem:invalid")
            assert [problem["field"] for problem in body["errors"]] == [field]

    def test_the_wrong_fields_of_a_huge_body_are_cut_short(self, call):
        body = {"name": "Bakery", "products": [f"p{number}" for number in range(60_000)]}
        status, problems = call("POST", "/companies", body)
        assert (status, len(problems["errors"])) == (400, 100)
        status, problems = call("PUT", "/products", {"products": [{}] * 60_000})
        assert (status, len(problems["errors"])) == (400, 100)

    def test_an_unknown_path_is_a_problem_of_its_own(self, call):
        assert call("GET", "/nowhere")[1]["type"] == "urn:codat-hub:problem:no-such-path"

    def test_a_fault_of_the_hub_is_500_without_its_cause(self, call, module, monkeypatch):
        def fail():
            raise RuntimeError("secret detail")

        monkeypatch.setattr(module.hub.registry, "products", fail)
        status, body = call("GET", "/products")
        assert (status, body["type"]) == (500, "urn:codat-hub:problem:unexpected")
        assert "secret" not in json.dumps(body)
