"""Which deliveries are stored, refused, or to be sent again."""

import json
from datetime import UTC, datetime

import pytest
import time_machine
from svix.webhooks import Webhook as SvixWebhook

from codat_hub.errors import Refused, TooLarge, Unavailable
from codat_hub.webhooks.receive_webhook import MAX_BODY, DeliveryOutcome, ReceiveWebhook
from codat_hub.webhooks.webhook_event import WebhookFacts
from tests.support.builders import OTHER_SECRET, SECRET, a_read_completed, sign, signed_headers
from tests.support.fakes import FakeInbox, FakeSigningSecrets
from tools.samconfig import ROOT

NOW = 1_783_033_534
BODY = a_read_completed()
VECTORS = json.loads((ROOT / "tests/support/signature_vectors.json").read_text())


@pytest.fixture(autouse=True)
def frozen_clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def inbox():
    return FakeInbox()


@pytest.fixture
def secrets():
    return FakeSigningSecrets(lending=[SECRET])


@pytest.fixture
def receive(inbox, secrets):
    return ReceiveWebhook(inbox, secrets)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_each_published_vector_is_accepted_or_refused_as_published(vector, inbox):
    receive = ReceiveWebhook(inbox, FakeSigningSecrets(lending=[vector["secret"]]))
    body = VECTORS["bodies"][vector["body"]].encode()
    with time_machine.travel(vector["verify_at"], tick=False):
        if vector["expect"] == "valid":
            receive("lending", vector["headers"], body)
        else:
            with pytest.raises(Refused):
                receive("lending", vector["headers"], body)
    assert bool(inbox.stored) == (vector["expect"] == "valid")


def test_a_delivery_signed_by_svix_is_stored_unchanged(receive, inbox):
    now = datetime.fromtimestamp(NOW, UTC)
    signature = SvixWebhook(SECRET).sign("msg_1", now, BODY.decode())
    headers = {**signed_headers(BODY), "webhook-signature": signature}
    assert receive("lending", headers, BODY) is DeliveryOutcome.STORED
    delivery, facts = inbox.stored["msg_1"]
    assert (delivery.body, delivery.consumer, delivery.received_at) == (BODY, "lending", now)
    assert isinstance(facts, WebhookFacts)


def test_a_second_delivery_changes_nothing(receive, inbox):
    first = receive("lending", signed_headers(BODY), BODY)
    other = a_read_completed("cashflow-insights")
    second = receive("lending", signed_headers(other), other)
    assert (first, second) == (DeliveryOutcome.STORED, DeliveryOutcome.DUPLICATE)
    assert inbox.stored["msg_1"][0].body == BODY


def test_an_unrecognised_webhook_is_quarantined_then_a_duplicate(receive, inbox):
    headers = signed_headers(b"not json")
    assert receive("lending", headers, b"not json") is DeliveryOutcome.QUARANTINED
    assert inbox.stored["msg_1"][1].quarantine == "body is not JSON"
    assert receive("lending", headers, b"not json") is DeliveryOutcome.DUPLICATE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed_headers(BODY + b" ", at=NOW),
        signed_headers(BODY, secret=OTHER_SECRET, at=NOW),
        signed_headers(BODY, at=NOW - 301),
        signed_headers(BODY, at=NOW + 301),
        {**signed_headers(BODY, at=NOW), "webhook-id": "msg_2"},
        {**signed_headers(BODY, at=NOW), "webhook-timestamp": str(NOW + 1)},
    ],
    ids=["none", "other body", "foreign key", "stale", "future", "other id", "other time"],
)
def test_a_delivery_that_is_not_authentic_is_refused_and_not_stored(receive, inbox, headers):
    with pytest.raises(Refused):
        receive("lending", headers, BODY)
    assert not inbox.stored


@pytest.mark.parametrize("skew", [-299, 299])
def test_five_minutes_of_skew_are_tolerated(receive, skew):
    assert receive("lending", signed_headers(BODY, at=NOW + skew), BODY) is DeliveryOutcome.STORED


@pytest.mark.parametrize("consumer", ["expenses", "", "Lending", "a/b", "x" * 64, "lending\n"])
def test_another_consumers_secret_is_refused(receive, inbox, consumer):
    with pytest.raises(Refused):
        receive(consumer, signed_headers(BODY), BODY)
    assert not inbox.stored


def test_a_body_that_is_not_utf8_is_refused(receive):
    body = b'{"name": "\xff"}'
    with pytest.raises(Refused):
        receive("lending", signed_headers(body), body)


def test_a_good_signature_behind_a_wrong_one_is_accepted(receive):
    headers = signed_headers(BODY)
    wrong = sign(OTHER_SECRET, "msg_1", NOW, BODY)
    headers["webhook-signature"] = f"{wrong} {headers['webhook-signature']}"
    assert receive("lending", headers, BODY) is DeliveryOutcome.STORED


def test_both_the_current_and_the_previous_secret_are_accepted(inbox):
    receive = ReceiveWebhook(inbox, FakeSigningSecrets(lending=[OTHER_SECRET, SECRET]))
    assert receive("lending", signed_headers(BODY, "msg_1"), BODY) is DeliveryOutcome.STORED
    assert (
        receive("lending", signed_headers(BODY, "msg_2", OTHER_SECRET), BODY)
        is DeliveryOutcome.STORED
    )


def test_a_new_secret_is_found_by_a_reload(receive, secrets):
    secrets.current = {"lending": [OTHER_SECRET]}
    assert (
        receive("lending", signed_headers(BODY, secret=OTHER_SECRET), BODY)
        is DeliveryOutcome.STORED
    )
    assert secrets.reloads == 1


def test_a_genuine_delivery_reloads_nothing(receive, secrets):
    receive("lending", signed_headers(BODY), BODY)
    assert secrets.reloads == 0


@pytest.mark.parametrize("skew", [-301, 301])
def test_a_delivery_over_five_minutes_off_reloads_nothing(receive, secrets, skew):
    with pytest.raises(Refused, match="over 5 minutes"):
        receive("lending", signed_headers(BODY, at=NOW + skew), BODY)
    assert secrets.reloads == 0


def test_the_reason_of_a_refusal_says_whether_the_consumer_is_known(receive):
    with pytest.raises(Refused, match="unknown consumer"):
        receive("expenses", signed_headers(BODY), BODY)
    with pytest.raises(Refused, match="no known secret"):
        receive("lending", signed_headers(BODY, secret=OTHER_SECRET), BODY)


def test_nothing_is_parsed_before_it_is_verified(receive, monkeypatch):
    monkeypatch.setattr("codat_hub.webhooks.receive_webhook.recognise", lambda _body: 1 / 0)
    with pytest.raises(Refused):
        receive("lending", signed_headers(BODY, secret=OTHER_SECRET), BODY)


def test_malformed_headers_reload_nothing(receive, secrets):
    with pytest.raises(Refused):
        receive("lending", {**signed_headers(BODY), "webhook-signature": "v1"}, BODY)
    assert secrets.reloads == 0


def test_the_size_limit_is_checked_first(receive):
    assert receive("lending", signed_headers(b" " * MAX_BODY), b" " * MAX_BODY)
    with pytest.raises(TooLarge):
        receive("", {}, b" " * (MAX_BODY + 1))


def test_a_delivery_that_the_inbox_refused_is_stored_when_it_comes_again(receive, inbox):
    inbox.down = True
    with pytest.raises(Unavailable):
        receive("lending", signed_headers(BODY), BODY)
    inbox.down = False
    assert receive("lending", signed_headers(BODY), BODY) is DeliveryOutcome.STORED
