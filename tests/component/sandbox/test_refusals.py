"""The sandbox refuses everything that could break it."""

import asyncio

import pytest

from tools.sandbox import persistence, serve
from tools.sandbox.runtime import Sandbox

HALF = b'"\\ud83d half"'  # the first half of a surrogate pair
TOO_DEEP = b"[" * 200_000
NOT_JSON = [HALF, b"NaN", b"-Infinity", b"1e999", TOO_DEEP, b"[" * 300 + b"]" * 300]


@pytest.mark.parametrize("value", NOT_JSON)
def test_a_value_that_json_cannot_hold_is_a_400_of_the_api_and_changes_nothing(client, value):
    body = b'{"name": "Ok", "description": %b}' % value
    assert client.post("/companies", content=body).status_code == 400
    assert client.get("/companies").json()["totalResults"] == 20
    hook = b'{"url": "http://127.0.0.1:9/h", "eventTypes": [%b]}' % value
    assert client.post("/webhooks", content=hook).status_code == 400
    assert client.get("/webhooks").json() == {"results": []}
    assert [request["status"] for request in client.get("/_sandbox/requests").json()] == [
        400,
        200,
        400,
        200,
    ]


@pytest.mark.parametrize("value", NOT_JSON)
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("clock", "speed"),
        ("faults", "latencySeconds"),
        ("delivery", "duplicateProbability"),
        ("delivery", "retryScale"),
        ("events", "payload"),
        ("events", "nonsense"),
    ],
)
def test_a_value_that_json_cannot_hold_is_a_400_of_the_portal(client, path, field, value):
    answer = client.post(f"/_sandbox/{path}", content=b'{"%b": %b}' % (field.encode(), value))
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["allowed"] == "JSON"
    assert client.get("/_sandbox/deliveries").json() == []


def test_a_number_in_a_request_has_a_maximum(client):
    answer = client.get(f"/_sandbox/requests?since={'9' * 5000}")
    assert answer.json()["problems"][0]["field"] == "since"


@pytest.mark.parametrize("seconds", ["1e300", "1e12", "-1"])
def test_a_read_of_impossible_length_is_refused_and_locks_nothing(client, company, seconds):
    body = f'{{"companyId": "{company["id"]}", "productIdentifier": "invoice-finance", '
    answer = client.post("/_sandbox/reads/start", content=f'{body}"seconds": {seconds}}}')
    assert answer.json()["problems"][0]["field"] == "seconds"
    path = f"/companies/{company['id']}/products/invoice-finance/refresh"
    assert client.post(path).status_code == 202


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_date_outside_of_the_calendar_is_a_malformed_query(client, date):
    answer = client.get("/companies", params={"query": f"created>{date}"})
    assert (answer.status_code, "Malformed query" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://xn--/", "http:///x", "ftp://a"],
)
def test_an_address_that_cannot_exist_is_refused(client, url):
    assert client.post("/webhooks", json={"url": url, "eventTypes": ["x"]}).status_code == 400


def test_saving_continues_after_any_failure(options, monkeypatch, tmp_path):
    outcomes = [ValueError("not to be written"), OSError("no space"), asyncio.CancelledError()]

    def save(*_):
        raise outcomes.pop(0)

    monkeypatch.setattr(persistence, "save", save)
    monkeypatch.setattr(serve, "SAVE_EVERY", 0)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(serve._save_regularly(Sandbox(options), tmp_path / "state.json"))
    assert outcomes == []


def test_a_status_for_a_data_type_that_is_not_read_is_refused(client, company):
    target = {"companyId": company["id"], "productIdentifier": "invoice-finance"}
    idle = client.post("/_sandbox/reads/complete", json=target | {"statuses": {"pay": "Complete"}})
    assert idle.json()["problems"][0]["field"] == "statuses"
    client.post("/_sandbox/reads/start", json=target | {"dataTypes": ["payments"]})
    wrong = client.post(
        "/_sandbox/reads/complete", json=target | {"statuses": {"invoices": "Complete"}}
    )
    assert wrong.json()["problems"] == [
        {"field": "statuses", "value": ["invoices"], "allowed": "payments"}
    ]
    assert client.post("/_sandbox/reads/complete", json=target).json() == {"completed": 1}


def test_an_event_of_a_company_that_does_not_exist_is_refused(client):
    body = {"eventType": "x", "companyId": "missing"}
    assert client.post("/_sandbox/events", json=body).status_code == 404


@pytest.mark.parametrize("products", [{}, "", 0, False])
def test_products_must_be_a_list(client, products):
    body = {"name": "A", "products": products}
    assert client.post("/companies", json=body).status_code == 400


def test_a_very_long_body_is_kept_in_part(client):
    client.post("/webhooks", json={"url": "x" * 100_000})
    (listed,) = client.get("/_sandbox/requests").json()
    assert len(listed["body"]) == 32_768
