"""The page at the root shows a person what Codat knows."""

import pytest

from tests.support.sandbox.checked_client import CheckedClient
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox


def test_the_page_escapes_texts_of_clients(client):
    client.post(
        "/companies", json={"name": "Fish & Chips", "tags": {"a": "<script>alert(1)</script>"}}
    )
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "Fish &amp; Chips" in page.text
    assert "<script>" not in page.text


def test_the_page_shows_the_first_of_many_companies_with_a_note():
    client = CheckedClient(create_app(Sandbox(Options(companies=1000))))
    page = client.get("/").text
    assert "100 of 1,000 are shown" in page
    assert page.count("CRM-") == 0
    assert len(page) < 200_000


@pytest.fixture
def crowded():
    return CheckedClient(create_app(Sandbox(Options(companies=300, failing_share=0.01))))


def test_the_page_shows_companies_with_a_running_read_first_then_the_newest(crowded):
    oldest = crowded.get("/companies").json()["results"][0]
    newest = crowded.post("/companies", json={"name": "Newest"}).json()
    crowded.post(f"/companies/{oldest['id']}/products/invoice-finance/refresh")
    page = crowded.get("/").text
    shown = page[page.index("<h2>Companies</h2>") :]
    assert shown.index(oldest["id"]) < shown.index("is being read") < shown.index(newest["id"])


def test_a_page_with_a_search_shows_matching_companies_and_stops_updating(crowded):
    made = crowded.post("/companies", json={"name": "Rare Find", "tags": {"a": "b"}}).json()
    for words in ("rare find", made["id"], "a:b"):
        page = crowded.get("/", params={"q": words}).text
        shown = page[page.index("<h2>Companies</h2>") : page.index("<form>")]
        assert shown.count("<code>") == 1
        assert made["id"] in shown
        assert 'http-equiv="refresh"' not in page
    assert 'http-equiv="refresh"' in crowded.get("/").text
    assert "<i>" not in crowded.get("/", params={"q": '"><i>'}).text


def test_the_page_shows_products_settings_and_failing_companies(crowded):
    crowded.put(
        "/_sandbox/products/own", json={"name": "Own", "dataTypes": ["bills"], "syncSchedule": 6}
    )
    page = crowded.get("/").text
    assert "<td>bills</td><td>every 6 h</td>" in page
    assert "<td>items</td><td>off</td>" in page
    failing = page[page.index("Companies that keep failing") : page.index("<h2>Products")]
    state = crowded.get("/_sandbox/state").json()
    trouble = [company["id"] for company in state["companies"] if company["failing"]]
    assert [company_id in failing for company_id in trouble] == [True, True]


def test_long_lists_of_events_are_folded_and_long_addresses_wrap(client):
    types = [f"type-{n}" for n in range(20)]
    client.post("/webhooks", json={"url": "http://127.0.0.1:9/h", "eventTypes": types})
    page = client.get("/").text
    assert "<summary>20 event types</summary>type-0, " in page
    assert "overflow-wrap: anywhere" in page
