"""The sandbox answers as Codat's API; the fixture checks answers by the specification."""

import pytest

from tests.support import codat_spec
from tests.support.sandbox.checked_client import CheckedClient
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox

READ_IN_PROGRESS = (
    "Data cannot be refreshed while a read operation is in progress. "
    "Allow the read to complete before attempting to refresh."
)


@codat_spec.needs_spec
def test_answers_that_differ_from_the_specification_are_found():
    company = {"id": "not a uuid", "name": "x", "redirect": "https://x.example"}
    assert codat_spec.problems("GET", "/companies/1", 200, company)
    assert codat_spec.problems("GET", "/companies/1", 418, {})
    assert codat_spec.problems("PUT", "/companies/1/products/x", 204, {"a": 1})


def test_pages_link_to_each_other_and_end(client):
    seen, path = [], "/companies?pageSize=8"
    while path:
        page = client.get(path).json()
        seen += [company["id"] for company in page["results"]]
        path = page["_links"].get("next", {}).get("href")
    assert len(seen) == len(set(seen)) == page["totalResults"] == 20
    assert page["_links"]["previous"]["href"] == "/companies?page=2&pageSize=8"


@pytest.mark.parametrize(
    "wrong", ["page=0", "pageSize=5001", "page=x", "query=name", "query=nope=1"]
)
def test_a_parameter_that_is_wrong_is_a_400(client, wrong):
    assert client.get(f"/companies?{wrong}").status_code == 400


def test_companies_are_found_by_query_order_and_tags(client):
    linked = client.get("/companies", params={"query": "dataConnections.status=PendingAuth"}).json()
    assert linked["totalResults"] == 2
    names = [
        company["name"]
        for company in client.get("/companies", params={"orderBy": "-name"}).json()["results"]
    ]
    assert names == sorted(names, reverse=True)
    tagged = client.get("/companies", params={"tags": "uid = cust_000003"}).json()
    assert [company["tags"]["uid"] for company in tagged["results"]] == ["cust_000003"]


def test_a_company_is_created_changed_replaced_and_deleted(client):
    created = client.post("/companies", json={"name": "Company (Codat[1])", "tags": {"a": "b"}})
    assert created.status_code == 200
    assert created.json()["name"] == "Company Codat1"
    path = f"/companies/{created.json()['id']}"
    patched = client.patch(path, json={"description": "d", "tags": None}).json()
    assert (patched["description"], patched["tags"]) == ("d", {"a": "b"})
    replaced = client.put(path, json={"name": "Other"}).json()
    assert (replaced["name"], replaced["tags"], "description" in replaced) == ("Other", {}, False)
    assert client.delete(path).status_code == 204
    gone = client.get(path)
    assert gone.status_code == 404
    assert gone.json()["error"].startswith("No company was found with ID ")


def test_a_company_can_be_created_with_products(client):
    company = client.post("/companies", json={"name": "A", "products": ["invoice-finance"]}).json()
    assert company["products"] == ["invoice-finance"]
    assert client.post("/companies", json={"name": "A", "products": ["no"]}).status_code == 400


def test_the_three_400s_of_a_refresh_have_codats_words(client, company):
    path = f"/companies/{company['id']}/products"
    assert client.post(f"{path}/invoice-finance/refresh").status_code == 202
    busy = client.post(f"{path}/invoice-finance/refresh")
    assert (busy.status_code, busy.json()["error"]) == (400, READ_IN_PROGRESS)
    standard = client.post(f"{path}/lending/refresh")
    assert standard.json()["error"] == (
        "Lending doesn't support data refreshing. For more information, refer to your "
        "solution\u2019s documentation [here](https://docs.codat.io)."
    )
    wrong = client.post(f"{path}/cashflow-insights/refresh", json={"dataTypes": ["nonsense"]})
    assert wrong.status_code == 400
    assert "payments, banking-accounts, banking-transactions" in wrong.json()["error"]


@codat_spec.needs_spec
def test_the_texts_of_a_400_are_those_of_the_specification(client, company):
    refresh = "/companies/{companyId}/products/{productIdentifier}/refresh"
    answer = codat_spec.document()["paths"][refresh]["post"]["responses"]["400"]
    examples = answer["content"]["application/json"]["examples"]
    path = f"/companies/{company['id']}/products"
    client.post(f"{path}/invoice-finance/refresh")
    busy = client.post(f"{path}/invoice-finance/refresh").json()
    standard = client.post(f"{path}/lending/refresh").json()
    expected = examples["Read in progress"]["value"]
    assert busy["error"] == expected["error"]
    assert {**busy, "correlationId": ""} == {**expected, "correlationId": ""}
    expected = examples["Standard product not supported"]["value"]["error"]
    assert standard["error"].removeprefix("Lending") == expected.removeprefix("Bank Feeds")


def test_a_product_that_is_not_assigned_is_not_found(client):
    company = client.get("/companies").json()["results"][1]
    path = f"/companies/{company['id']}/products/invoice-finance"
    assert client.post(f"{path}/refresh").status_code == 404
    assert client.delete(path).status_code == 404
    assert client.put(f"/companies/{company['id']}/products/unknown").status_code == 404


def test_assigning_twice_changes_nothing(client, advance):
    company = client.get("/companies").json()["results"][1]
    path = f"/companies/{company['id']}"
    assert client.put(f"{path}/products/invoice-finance").status_code == 204
    advance(5)
    assert client.put(f"{path}/products/invoice-finance").status_code == 204
    assert client.get(path).json()["products"] == ["lending", "invoice-finance"]
    assert client.post(f"{path}/products/invoice-finance/refresh").status_code == 202


def test_connections_are_listed_created_unlinked_and_deleted(client, company):
    path = f"/companies/{company['id']}/connections"
    first = client.get(path).json()["results"][0]
    assert client.get(f"{path}/{first['id']}").json() == first
    unlinked = client.patch(f"{path}/{first['id']}", json={"status": "Unlinked"}).json()
    assert unlinked["status"] == "Unlinked"
    made = client.post(path, json={"platformKey": "bnkp"}).json()
    assert (made["status"], made["sourceType"]) == ("PendingAuth", "Banking")
    assert client.delete(f"{path}/{made['id']}").status_code == 200
    assert client.get(f"{path}/{made['id']}").status_code == 404


def test_client_settings_are_read_and_replaced(client):
    before = client.get("/profile/syncSettings").json()
    assert sorted({setting["syncSchedule"] for setting in before["settings"]}) == [
        0,
        1,
        24,
        168,
        720,
    ]
    off = before | {"settings": [setting | {"syncSchedule": 0} for setting in before["settings"]]}
    assert client.post("/profile/syncSettings", json=off).status_code == 204
    assert client.get("/profile/syncSettings").json() == off
    other = off | {"clientId": "00000000-0000-4000-8000-000000000000"}
    assert client.post("/profile/syncSettings", json=other).status_code == 403
    broken = off | {"settings": [{"dataType": "nonsense"}]}
    assert client.post("/profile/syncSettings", json=broken).status_code == 400
    assert client.get("/profile/syncSettings").json() == off


def test_a_company_has_the_clients_settings_until_they_are_overridden(client, company):
    path = f"/companies/{company['id']}/syncSettings"
    before = client.get(path).json()
    assert before["overridesDefaults"] is False
    own = before | {"overridesDefaults": True, "settings": before["settings"][:1]}
    assert client.post(path, json=own).status_code == 204
    assert client.get(path).json() == own
    assert client.post(path, json=own | {"companyId": "x"}).status_code == 400


def test_the_status_of_a_data_type_moves_while_it_is_read(client, company, advance):
    path = f"/companies/{company['id']}"
    seen = []
    assert client.post(f"{path}/data/queue/invoices").json()["status"] == "Initial"
    for _ in range(12):
        seen.append(client.get(f"{path}/dataStatus").json()["invoices"]["currentStatus"])
        advance(0.2)
    assert seen[0] == "Initial"
    assert seen[-1] == "Complete"
    assert len(set(seen)) >= 4


def test_a_data_type_in_progress_is_not_queued_again(client, company):
    path = f"/companies/{company['id']}/data/queue/invoices"
    running = client.post(path).json()
    again = client.post(path)
    assert again.status_code == 400
    assert running["id"] in again.json()["error"]


def test_history_can_be_queried_but_not_by_is_completed(client, company, advance):
    path = f"/companies/{company['id']}"
    assert client.post(f"{path}/data/all").status_code == 204
    running = client.get(f"{path}/data/history", params={"query": "status!=Complete"}).json()
    assert running["totalResults"] == 8
    read = running["results"][0]
    assert client.get(f"{path}/data/history/{read['id']}").json()["id"] == read["id"]
    refused = client.get(f"{path}/data/history", params={"query": "isCompleted=true"})
    assert refused.json()["error"].endswith("Could not resolve property isCompleted on Dataset")
    advance(3)
    assert client.get(f"{path}/sync/{read['id']}/validation").json().keys() == {
        "errors",
        "warnings",
    }


def test_records_are_read_in_windows(client, company, advance):
    path = f"/companies/{company['id']}/data/invoices"
    everything = client.get(path).json()["results"]
    newest = max(record["modifiedDate"] for record in everything)
    found = client.get(path, params={"query": f"modifiedDate>={newest}"}).json()["results"]
    assert [record["modifiedDate"] for record in found] == [newest]
    order = client.get(path, params={"orderBy": "-modifiedDate"}).json()["results"]
    assert order[0]["modifiedDate"] == newest


def test_data_that_was_never_read_is_a_conflict_and_unknown_data_is_not_found(client):
    company = client.post("/companies", json={"name": "New"}).json()
    assert client.get(f"/companies/{company['id']}/data/invoices").status_code == 409
    assert client.get(f"/companies/{company['id']}/data/nonsense").status_code == 404


def test_bank_data_is_read_per_connection(client):
    companies = client.get("/companies").json()["results"]
    company = next(company for company in companies if len(company["dataConnections"]) == 2)
    bank = company["dataConnections"][1]["id"]
    path = f"/companies/{company['id']}/connections/{bank}/data/banking-transactions"
    assert client.get(path).json()["totalResults"] > 0


def test_a_financial_statement_is_one_object_and_requires_its_periods(client, company, advance):
    client.post(f"/companies/{company['id']}/data/queue/balanceSheet")
    advance(60)
    path = f"/companies/{company['id']}/data/financials/balanceSheet"
    assert client.get(path).status_code == 400
    periods = {"periodLength": 1, "periodsToCompare": 24}
    statement = client.get(path, params=periods).json()
    assert statement["currency"] == "GBP"
    assert "modifiedDate" not in statement


def test_each_bank_account_has_its_own_transactions(client, company, advance):
    for data_type in ("bankAccounts", "bankTransactions"):
        client.post(f"/companies/{company['id']}/data/queue/{data_type}")
    advance(60)
    ledger = company["dataConnections"][0]["id"]
    accounts = f"/companies/{company['id']}/connections/{ledger}/data/bankAccounts"
    found = [
        transaction["id"]
        for account in client.get(accounts).json()["results"]
        for transaction in client.get(f"{accounts}/{account['id']}/bankTransactions").json()[
            "results"
        ]
    ]
    assert len(found) == len(set(found)) > 3


def test_a_consumer_is_created_listed_and_deleted(client):
    body = {"url": "https://hub.example/x", "eventTypes": ["read.completed"]}
    made = client.post("/webhooks", json=body | {"disabled": True, "companyTags": ["a:b"]})
    assert made.status_code == 201
    assert made.json()["disabled"] is True
    assert client.get("/webhooks").json()["results"] == [made.json()]
    path = f"/webhooks/{made.json()['id']}"
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    assert client.post("/webhooks", json=body | {"eventTypes": []}).status_code == 400
    assert client.post("/webhooks", json=body | {"url": "nowhere"}).status_code == 400


def test_there_are_at_most_fifty_consumers(client):
    body = {"url": "https://hub.example/x", "eventTypes": ["read.completed"]}
    for _ in range(50):
        assert client.post("/webhooks", json=body).status_code == 201
    assert client.post("/webhooks", json=body).status_code == 400


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic c2FuZGJveC1hcGkta2V5Og=="},
        {"Authorization": "Basic sandbox-api-key"},
    ],
)
def test_only_the_encoded_key_alone_opens_the_api(client, header):
    client.headers.pop("Authorization")
    answer = client.get("/companies", headers=header)
    assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized")


def test_an_unknown_path_is_a_404_and_an_unknown_method_a_405_with_codats_body(client):
    assert client.get("/nonsense").json()["statusCode"] == 404
    assert client.put("/webhooks").json()["statusCode"] == 405


def test_a_page_holds_two_thousand_at_most_though_five_thousand_may_be_asked_for():
    client = CheckedClient(create_app(Sandbox(Options(companies=2001))))
    page = client.get("/companies?pageSize=5000").json()
    assert (len(page["results"]), page["pageSize"], page["totalResults"]) == (2000, 2000, 2001)
