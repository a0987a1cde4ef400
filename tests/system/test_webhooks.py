"""Webhooks pass API Gateway and the function, with its own role, into DynamoDB."""

import contextlib
import http.client
import json
import random
import string
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest
from svix.webhooks import Webhook as SvixWebhook

from tests.support.builders import OTHER_SECRET, SECRET, a_read_completed, sign
from tests.support.waiting import eventually

BODY = a_read_completed()
UNAUTHORIZED = (401, {"message": "Unauthorized"})


def answer_of(response):
    return response.status_code, response.json()


def test_a_delivery_signed_by_svix_lies_in_the_inbox_byte_exact(hub):
    body = b' {\n"eventType" : "x"}\t' + "\u00e9\u20ac\U0001f9fe\\u0000".encode()
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_svix",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": SvixWebhook(hub.secret).sign("msg_svix", now, body.decode()),
    }
    assert hub.post(body, headers).status_code == 202
    assert hub.item("msg_svix")["body"]["S"].encode() == body


def test_a_known_event_is_200_and_its_repeat_too(hub):
    headers = hub.headers(BODY, "msg_repeat")
    assert answer_of(hub.post(BODY, headers)) == (200, {"message": "OK"})
    before = hub.item("msg_repeat")
    assert answer_of(hub.post(BODY, headers)) == (200, {"message": "OK"})
    assert hub.item("msg_repeat") == before


def test_a_hundred_concurrent_deliveries_of_one_message_are_one_item(hub):
    before = hub.outcomes()
    headers = hub.headers(BODY, "msg_hundred")
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: hub.post(BODY, headers).status_code, range(100)))
    assert answers == [200] * 100
    assert hub.item("msg_hundred")
    counted = eventually(
        lambda: (hub.outcomes() - before).total() == 100 and hub.outcomes() - before
    )
    assert counted == {"webhook_stored": 1, "webhook_duplicate": 99}


class TestRefusals:
    def refused(self, hub, body=BODY, headers=None, **changes):
        headers = hub.headers(BODY, "msg_refused") | changes if headers is None else headers
        return answer_of(hub.post(body, headers)) == UNAUTHORIZED and not hub.item("msg_refused")

    def test_a_tampered_body(self, hub):
        assert self.refused(hub, body=BODY.replace(b"true", b"false"))

    @pytest.mark.parametrize("skew", [-310, 310])
    def test_a_stale_or_future_time(self, hub, skew):
        at = time.time() + skew
        assert self.refused(hub, headers=hub.headers(BODY, "msg_refused", at=at))

    def test_a_foreign_key(self, hub):
        foreign = hub.headers(BODY, "msg_refused", secret=OTHER_SECRET)
        assert self.refused(hub, headers=foreign)

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_a_missing_header(self, hub, name):
        headers = hub.headers(BODY, "msg_refused")
        del headers[name]
        assert self.refused(hub, headers=headers)

    @pytest.mark.parametrize("value", ["v1", "v1,a,b", "v1,abc", "v1a,eHh4", "v2,x v3,y", "", ","])
    def test_a_malformed_signature(self, hub, value):
        assert self.refused(hub, **{"webhook-signature": value})

    def test_two_signatures_with_a_double_space(self, hub):
        good = hub.headers(BODY, "msg_refused")["webhook-signature"]
        assert self.refused(hub, **{"webhook-signature": f"{good}  {good}"})

    @pytest.mark.parametrize("value", ["soon", "1" * 400, "-1", "1e9", ""])
    def test_a_malformed_timestamp(self, hub, value):
        assert self.refused(hub, **{"webhook-timestamp": value})

    def test_an_empty_id(self, hub):
        body, at = BODY, int(time.time())
        signature = sign(hub.secret, "", at, body)
        headers = {"webhook-id": "", "webhook-timestamp": str(at), "webhook-signature": signature}
        assert self.refused(hub, headers=headers)

    def test_a_body_that_is_not_utf8(self, hub):
        body = b'{"name":"\xff\xfe"}'
        assert self.refused(hub, body, hub.headers(body, "msg_refused"))

    def test_an_unknown_consumer(self, hub):
        url = hub.described["webhook_url"].replace("/playground", "/nobody")
        headers = hub.headers(BODY, "msg_refused")
        assert answer_of(hub.post(BODY, headers, url)) == UNAUTHORIZED
        assert not hub.item("msg_refused")


def test_a_good_signature_behind_a_bad_one_is_accepted(hub):
    headers = hub.headers(BODY, "msg_second")
    headers["webhook-signature"] = f"v1,{'A' * 43}= {headers['webhook-signature']}"
    assert hub.post(BODY, headers).status_code == 200


def test_300_kb_is_413(hub):
    body = b"x" * 300_000
    answer = hub.post(body, hub.headers(body, "msg_large"))
    assert answer_of(answer) == (413, {"message": "Payload Too Large"})
    assert not hub.item("msg_large")


def test_the_gateways_own_refusals_reveal_nothing(hub):
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = httpx.request(method, hub.described["webhook_url"])
        assert answer_of(answer) == (403, {"message": "Refused"})


def hostile_request(rng, url):
    """Return an unsigned request with an odd path, odd headers and an odd body."""
    parts = urlsplit(url)
    path = parts.path.removesuffix("/playground") + "/"
    path += rng.choice(["playground"] * 5 + ["%2e%2e", "a" * 3000, "%00", "x/y"])
    headers = {}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type"):
        value = rng.choice(
            [
                "",
                "v1",
                "v1,",
                "v1," + "A" * 43 + "=",
                "v1,abc v1,def",
                " ".join(["v1,AAAA"] * 500),
                str(int(time.time())),
                "1" * 400,
                "-0",
                "NaN",
                "msg_1",
                "".join(rng.choices(string.printable[:94], k=rng.randint(1, 300))),
            ]
        )
        if rng.random() < 0.8:
            headers[name] = value
    size = rng.choice([0, 1, 10, 1000, 50_000])
    body = rng.choice([BODY, rng.randbytes(size), b"[" * size, b'{"a":' * size])
    return parts, path, headers, body


def test_a_thousand_hostile_requests_cost_a_4xx_each_and_write_nothing(hub):
    before = hub.count()

    def send(seed):
        parts, path, headers, body = hostile_request(
            random.Random(seed), hub.described["webhook_url"]
        )
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", path, body, headers)
            return connection.getresponse().status

    with ThreadPoolExecutor(4) as pool:
        statuses = set(pool.map(send, range(1000)))
    assert statuses <= {400, 401, 403, 404, 413}
    assert 401 in statuses
    assert hub.count() == before


class TestRotation:
    @pytest.fixture
    def secret_store(self, hub):
        """Return a function that sets the accepted secrets; restore them afterwards."""
        arn, manager = hub.described["signing_secrets_arn"], hub.client("secretsmanager")
        before = manager.get_secret_value(SecretId=arn)["SecretString"]

        def accept(secrets):
            value = json.loads(before) | {"playground": secrets}
            manager.put_secret_value(SecretId=arn, SecretString=json.dumps(value))

        yield accept
        manager.put_secret_value(SecretId=arn, SecretString=before)
        eventually(lambda: hub.post(BODY, hub.headers(BODY)).status_code == 200)

    def test_a_rotation_while_traffic_flows_refuses_no_genuine_delivery_for_long(
        self, hub, secret_store
    ):
        # In a rotation both secrets sign for a day, and the operator adds the new secret.
        sent = 0

        def deliver(secrets):
            nonlocal sent
            sent += 1
            webhook_id, at = f"msg_rotation_{sent}", int(time.time())
            signatures = " ".join(sign(secret, webhook_id, at, BODY) for secret in secrets)
            headers = hub.headers(BODY, webhook_id) | {"webhook-signature": signatures}
            return hub.post(BODY, headers).status_code

        assert {deliver([hub.secret]) for _ in range(5)} == {200}
        assert {deliver([SECRET, hub.secret]) for _ in range(5)} == {200}
        secret_store([SECRET, hub.secret])
        assert {deliver([SECRET, hub.secret]) for _ in range(5)} == {200}
        eventually(lambda: deliver([SECRET]) == 200, seconds=10)  # the local reload limit is 5 s
        secret_store([SECRET])
        assert {deliver([SECRET]) for _ in range(5)} == {200}

    def test_a_secret_withdrawn_without_overlap_is_found_within_the_reload_limit(
        self, hub, secret_store
    ):
        secret_store([SECRET])
        headers = hub.headers(BODY, "msg_hard_rotation", secret=SECRET)
        began = time.monotonic()
        eventually(lambda: hub.post(BODY, headers).status_code == 200, seconds=10)
        assert hub.item("msg_hard_rotation"), f"after {time.monotonic() - began:.1f} s"


@pytest.mark.parametrize("action", ["dynamodb:PutItem", "secretsmanager:GetSecretValue"])
def test_unavailable_is_503_now_and_the_senders_retry_delivers_later(hub, action):
    function = hub.described["receive_webhook_logs"].rpartition("/")[2]
    with hub.stack.emulator.denied(function, action):
        webhook_id = hub.send_example("platform", "company.created")
        eventually(lambda: 503 in hub.attempts(webhook_id))
        assert not hub.item(webhook_id)
    # the attempt after the one at 21 s comes at 93 s
    assert eventually(lambda: hub.item(webhook_id), seconds=150)
    eventually(lambda: hub.attempts(webhook_id)[-1] == 200)


@pytest.mark.parametrize(
    "event_type",
    [
        "read.completed",
        "company.created",
        "company.deleted",
        "company.product.added",
        "company.product.removed",
        "connection.connected",
        "connection.deleted",
        "client.rateLimit.reached",
        "invoice-finance.read.completed",
        "cashflow-insights.read.completed.unsuccessful",
        "bills.write.successful",
    ],
)
def test_every_family_of_event_that_codat_sends_is_stored(hub, event_type):
    webhook_id = hub.send_example("platform", event_type)
    item = eventually(lambda: hub.item(webhook_id))
    assert item["event_type"] == {"S": event_type}
    assert "quarantine" not in item


def test_no_log_line_of_the_function_holds_a_secret_a_signature_or_a_body(hub):
    headers = hub.headers(BODY, "msg_logged")
    hub.post(BODY, headers)
    lines = eventually(
        lambda: [line for line in hub.logged() if line.get("webhook_id") == "msg_logged"]
    )
    assert lines[0]["outcome"] == "stored"
    everything = json.dumps(hub.logged())
    for secret in (hub.secret[6:], headers["webhook-signature"][3:], "Harbour Lane"):
        assert secret not in everything
