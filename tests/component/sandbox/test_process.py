"""The real process has a command line, delivers over HTTP and ends on a signal."""

import json
import socket
import time

import httpx
import pytest
from standardwebhooks import Webhook

from tests.support.sandbox.running import consuming, eventually, run_to_end, running


@pytest.fixture(scope="module")
def process():
    with running("--companies", 5, "--retry-scale", 0.001, "--failing-share", 0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(process):
    process.portal("/reset")
    return process


def subscribe(sandbox, consumer, *event_types):
    body = {"url": consumer.url, "eventTypes": list(event_types)}
    return sandbox.client.post("/webhooks", json=body).json()["id"]


def test_the_ready_line_has_the_sandboxs_address(sandbox):
    assert sandbox.ready.keys() == {"url", "api_key", "custom_products", "client_id"}
    assert sandbox.ready["custom_products"] == ["invoice-finance", "cashflow-insights"]
    assert sandbox.client.get("/_sandbox/health").json()["status"] == "ok"
    settings = sandbox.client.get("/profile/syncSettings").json()
    assert settings["clientId"] == sandbox.ready["client_id"]


def test_sigterm_ends_it_at_once_even_while_a_consumer_is_slow():
    with running("--companies", 0) as sandbox, socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/never-answers"
        sandbox.client.post("/webhooks", json={"url": url, "eventTypes": ["x"]})
        sandbox.portal("/events", eventType="x")
        eventually(lambda: sandbox.client.get("/_sandbox/deliveries").json()[0]["underWay"])
        began = time.monotonic()
        assert sandbox.stop() == 0
        assert time.monotonic() - began < 10  # not the consumer's 15 s


def test_a_port_in_use_is_one_sentence_and_exit_2(sandbox):
    ended = run_to_end("--port", sandbox.ready["url"].rpartition(":")[2])
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.strip().endswith("Address already in use")
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--speed", "fast"], "'fast'"),
        (["--companies", "-1"], "'-1'"),
        (["--client-id", "x"], "not a uuid"),
        (["--old-consumers", "hub"], "http"),
        (["--old-consumers", "http://a:99999"], "http"),
        (["--state", "/dev/null/state.json"], "/dev/null/state.json"),
        (["--nonsense"], "--nonsense"),
        (["--host", "203.0.113.1"], "203.0.113.1"),
    ],
)
def test_a_bad_argument_is_one_sentence_and_exit_2(arguments, named):
    ended = run_to_end(*arguments)
    assert ended.returncode == 2
    assert named in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_state_file_keeps_everything_over_a_restart(tmp_path):
    state = tmp_path / "state.json"
    with running("--companies", 3, "--state", state) as sandbox:
        made = sandbox.client.post("/companies", json={"name": "Kept"}).json()
        assert sandbox.stop() == 0
    with running("--companies", 3, "--state", state) as sandbox:
        assert sandbox.client.get(f"/companies/{made['id']}").json() == made
        assert [request["n"] for request in sandbox.client.get("/_sandbox/requests").json()] == [2]
    state.write_text("{}")
    assert run_to_end("--state", state).returncode == 2


def test_an_event_arrives_signed_and_can_be_verified(sandbox):
    with consuming() as consumer:
        webhook = subscribe(sandbox, consumer, "read.completed")
        sent = sandbox.portal(f"/webhooks/{webhook}/example", eventType="read.completed")
        headers, body = eventually(lambda: consumer.received and consumer.received[0])
        (secret,) = sandbox.client.get(f"/_sandbox/webhooks/{webhook}/secret").json()["secrets"]
        assert Webhook(secret).verify(body, headers)["id"] == sent["eventId"]
        assert headers["webhook-id"] == sent["webhookId"]
        assert headers["content-type"] == "application/json"


def test_a_delivery_is_retried_until_it_succeeds_and_lists_every_attempt(sandbox):
    with consuming(500, 404, 302, 200) as consumer:
        consumer.headers = {"location": consumer.url}
        subscribe(sandbox, consumer, "x")
        sandbox.portal("/delivery", retryScale=0)
        sandbox.portal("/events", eventType="x")

        def delivered():
            (delivery,) = sandbox.client.get("/_sandbox/deliveries").json()
            return delivery if delivery["state"] == "delivered" else None

        delivery = eventually(delivered)
        assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 404, 302, 200]
        assert all(attempt["latencySeconds"] >= 0 for attempt in delivery["attempts"])
        assert len(consumer.received) == 4
        assert len({headers["webhook-id"] for headers, _ in consumer.received}) == 1


def test_a_delivery_to_an_absent_consumer_fails_after_eight_attempts(sandbox):
    sandbox.client.post("/webhooks", json={"url": "http://127.0.0.1:9/x", "eventTypes": ["x"]})
    sandbox.portal("/delivery", retryScale=0)
    sandbox.portal("/events", eventType="x")

    def failed():
        (delivery,) = sandbox.client.get("/_sandbox/deliveries").json()
        return delivery if delivery["state"] == "failed" else None

    attempts = eventually(failed)["attempts"]
    assert len(attempts) == 8
    assert {attempt["status"] for attempt in attempts} == {None}
    assert "ConnectError" in attempts[0]["error"]


def test_duplicates_arrive_under_the_same_id(sandbox):
    with consuming() as consumer:
        subscribe(sandbox, consumer, "x")
        sandbox.portal("/delivery", duplicateProbability=1, reorder=True)
        ids = {sandbox.portal("/events", eventType="x")["webhookId"] for _ in range(5)}
        eventually(lambda: len(consumer.received) == 10)
        assert {headers["webhook-id"] for headers, _ in consumer.received} == ids


def test_a_refresh_ends_in_an_event_within_its_time(sandbox):
    with consuming() as consumer:
        subscribe(sandbox, consumer, "invoice-finance.read.completed")
        company = sandbox.client.get("/companies").json()["results"][0]["id"]
        path = f"/companies/{company}/products/invoice-finance/refresh"
        assert sandbox.client.post(path).status_code == 202
        assert sandbox.client.post(path).status_code == 400
        sandbox.portal("/clock", speed=100)
        _, body = eventually(lambda: consumer.received and consumer.received[0])
        assert json.loads(body)["payload"]["referenceCompany"]["id"] == company
        assert sandbox.client.post(path).status_code == 202


def test_a_connection_is_really_cut(sandbox):
    sandbox.portal("/faults", path="/companies", reset=True)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        sandbox.client.get("/companies")
    assert sandbox.client.get("/companies").status_code == 200
    cut = sandbox.client.get("/_sandbox/requests").json()[0]
    assert cut["status"] is None


def test_after_a_clients_timeout_the_same_key_brings_the_outcome(sandbox):
    sandbox.portal("/faults", method="POST", path="/companies", latencySeconds=1.5)
    headers = {"Idempotency-Key": "k"}
    with pytest.raises(httpx.ReadTimeout):
        sandbox.client.post("/companies", json={"name": "Slow"}, headers=headers, timeout=0.1)
    statuses = []

    def settled():
        statuses.append(
            sandbox.client.post("/companies", json={"name": "Slow"}, headers=headers).status_code
        )
        return statuses[-1] != 409

    eventually(settled)
    assert statuses[0] == 409
    assert statuses[-1] == 200
    found = sandbox.client.get("/companies", params={"query": "name=Slow"}).json()
    assert found["totalResults"] == 1
