"""Clients meet idempotency keys and the three limits."""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.support.sandbox.checked_client import KEY, CheckedClient
from tools.sandbox.http.app import create_app
from tools.sandbox.options import Options
from tools.sandbox.runtime import Sandbox

BUSY = "Data cannot be refreshed while a read operation is in progress"


def keyed(name):
    return {"Idempotency-Key": name}


def test_an_answer_is_replayed_for_ninety_minutes_and_then_no_more(client, company, advance):
    path = f"/companies/{company['id']}/products/invoice-finance/refresh"
    client.post(path)
    first = client.post(path, headers=keyed("k"))
    assert (first.status_code, BUSY in first.json()["error"]) == (400, True)
    advance(89 * 60)
    assert client.post(path, headers=keyed("k")).json() == first.json()
    assert client.post(path, headers=keyed("fresh")).status_code == 202
    advance(2 * 60)
    assert client.post(path, headers=keyed("k")).status_code == 202


def test_another_body_under_the_same_key_is_422(client):
    assert client.post("/companies", json={"name": "A"}, headers=keyed("k")).status_code == 200
    again = client.post("/companies", json={"name": "A"}, headers=keyed("k"))
    other = client.post("/companies", json={"name": "B"}, headers=keyed("k"))
    assert (again.status_code, other.status_code) == (200, 422)
    assert client.get("/companies").json()["totalResults"] == 21


def test_a_5xx_is_replayed_but_a_429_frees_the_key(client):
    client.post("/_sandbox/faults", json={"path": "/companies", "status": 500})
    assert client.post("/companies", json={"name": "A"}, headers=keyed("a")).status_code == 500
    assert client.post("/companies", json={"name": "A"}, headers=keyed("a")).status_code == 500
    client.post("/_sandbox/faults", json={"path": "/companies", "status": 429})
    assert client.post("/companies", json={"name": "A"}, headers=keyed("b")).status_code == 429
    assert client.post("/companies", json={"name": "A"}, headers=keyed("b")).status_code == 200


def test_put_and_delete_take_no_keys(client, company):
    path = f"/companies/{company['id']}"
    assert client.put(path, json={"name": "A"}, headers=keyed("k")).status_code == 200
    assert client.put(path, json={"name": "B"}, headers=keyed("k")).json()["name"] == "B"


def test_after_a_lost_answer_the_same_key_brings_the_first_outcome(client):
    client.post("/_sandbox/faults", json={"path": "/companies", "reset": "after"})
    with pytest.raises(ConnectionResetError):
        client.post("/companies", json={"name": "Once"}, headers=keyed("k"))
    assert client.post("/companies", json={"name": "Once"}, headers=keyed("k")).status_code == 200
    found = client.get("/companies", params={"query": "name=Once"}).json()
    assert found["totalResults"] == 1


async def at_once(sandbox, requests):
    """Send requests concurrently to a sandbox with a latency."""
    transport = httpx.ASGITransport(create_app(sandbox))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", headers=KEY
    ) as client:
        slow = {"method": "*", "path": "^/companies", "latencySeconds": 0.05, "times": 1000}
        await client.post("/_sandbox/faults", json=slow)
        answers = await asyncio.gather(
            *(client.request(*arguments, **more) for arguments, more in requests)
        )
    return [answer.status_code for answer in answers]


def test_the_same_key_in_flight_is_409(sandbox):
    request = (("POST", "/companies"), {"json": {"name": "A"}, "headers": keyed("k")})
    assert sorted(asyncio.run(at_once(sandbox, [request, request]))) == [200, 409]


def test_ten_requests_at_a_time_per_company(sandbox):
    first, second = list(sandbox.world.state.companies)[:2]
    eleven = [(("GET", f"/companies/{first}"), {})] * 11
    other = [(("GET", f"/companies/{second}"), {})] * 10
    statuses = asyncio.run(at_once(sandbox, eleven + other))
    assert statuses.count(429) == 1
    assert asyncio.run(at_once(sandbox, eleven)).count(200) == 10


def test_a_thousand_requests_a_minute_from_one_address():
    sandbox = Sandbox(Options(companies=0, minute_limit=1000))
    client = CheckedClient(create_app(sandbox))
    statuses = [client.get("/webhooks").status_code for _ in range(1001)]
    assert statuses == [200] * 1000 + [429]
    assert 1 <= int(client.get("/webhooks").headers["Retry-After"]) <= 60


def test_every_answer_has_the_quota(client):
    before = client.get("/companies").headers
    after = client.get("/companies/none").headers
    assert before["X-Rate-Limit-Limit"] == "17000"  # 16 seeded companies are linked
    assert int(before["X-Rate-Limit-Remaining"]) - 1 == int(after["X-Rate-Limit-Remaining"])
    reset = datetime.fromisoformat(after["X-Rate-Limit-Reset"])
    assert (reset.hour, reset.minute, reset > datetime.now(UTC)) == (0, 0, True)


def test_a_spent_quota_is_429_until_midnight_with_an_event_at_each_end(client, advance, events):
    types = ["client.rateLimit.reached", "client.rateLimit.reset"]
    client.post("/webhooks", json={"url": "http://127.0.0.1:9/h", "eventTypes": types})
    client.post("/_sandbox/quota", json={"remaining": 2})
    statuses = [client.get("/companies").status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    refused = client.get("/companies")
    assert refused.headers["X-Rate-Limit-Remaining"] == "0"
    assert events() == types[:1]
    advance(int(refused.headers["Retry-After"]) + 1)
    assert client.get("/companies").status_code == 200
    assert events() == types


def test_retry_after_can_be_a_date(client):
    client.post("/_sandbox/quota", json={"remaining": 0, "retryAfter": "date"})
    header = client.get("/companies").headers["Retry-After"]
    assert parsedate_to_datetime(header) > datetime.now(UTC)


def test_retry_after_of_the_minutes_limit_is_a_date_in_real_time():
    client = CheckedClient(create_app(Sandbox(Options(companies=0, minute_limit=1))))
    client.post("/_sandbox/quota", json={"retryAfter": "date"})
    client.post("/_sandbox/clock", json={"advanceSeconds": 10 * 86_400})
    client.get("/webhooks")
    refused = client.get("/webhooks")
    until = parsedate_to_datetime(refused.headers["Retry-After"])
    assert refused.status_code == 429
    assert 0 < (until - datetime.now(UTC)).total_seconds() <= 62


def test_a_daily_quota_of_0_is_reached_at_once(client, events):
    types = ["client.rateLimit.reached", "client.rateLimit.reset"]
    client.post("/webhooks", json={"url": "http://127.0.0.1:9/h", "eventTypes": types})
    assert client.post("/_sandbox/quota", json={"dailyQuota": 0}).json()["reached"] is True
    assert events() == types[:1]
    assert client.post("/_sandbox/quota", json={"dailyQuota": 5}).json()["reached"] is False


def test_a_reset_frees_the_quota_and_sends_an_event_only_if_it_was_reached(client, events):
    types = ["client.rateLimit.reached", "client.rateLimit.reset"]
    client.post("/webhooks", json={"url": "http://127.0.0.1:9/h", "eventTypes": types})
    client.get("/companies")
    free = client.post("/_sandbox/quota", json={"reset": True}).json()
    assert free["remaining"] == free["dailyQuota"]
    assert events() == []
    client.post("/_sandbox/quota", json={"remaining": 0})
    client.post("/_sandbox/quota", json={"reset": True})
    assert events() == types


def test_an_empty_key_is_no_key(client):
    for name in ("A", "B"):
        answer = client.post("/companies", json={"name": name}, headers=keyed(""))
        assert answer.json()["name"] == name
