"""The function waits in the queue, as long as Codat asks, and makes no dead letter of it."""

import importlib
import json
import time
from types import SimpleNamespace

import boto3
import pytest

from tests.support.aws import REGION
from tests.support.landing_team import BUCKET

SECONDS_LEFT = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)


@pytest.fixture
def queue(s3):
    sqs = boto3.client("sqs", region_name=REGION)
    return sqs.create_queue(QueueName="team")["QueueUrl"]


@pytest.fixture
def consumer(codat, queue, monkeypatch):
    """Import the function as Lambda does, with its variables set."""
    secrets = boto3.client("secretsmanager", region_name=REGION)
    secrets.create_secret(Name="key", SecretString=codat.ready["api_key"] + "\n")
    variables = {
        "BUCKET": BUCKET,
        "QUEUE_URL": queue,
        "CODAT_API_KEY": "key",
        "CODAT_BASE_URL": codat.ready["url"],
        "READS_PER_MINUTE": "100000",
        "PAGE_SIZE": "2",
        "DATA_TYPES": "",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return importlib.reload(importlib.import_module("tools.example_consumer.consumer.handler"))


def a_message(event, waiting=None):
    message = {"body": json.dumps(event), "messageAttributes": {}}
    if waiting:
        message["messageAttributes"]["waiting"] = {"stringValue": json.dumps(waiting)}
    return {"Records": [message]}


@pytest.fixture
def sent(consumer, monkeypatch):
    """Return what the function sends to its queue: delay and state."""
    found = []
    send = consumer.sqs.send_message

    def note(**message):
        state = json.loads(message["MessageAttributes"]["waiting"]["StringValue"])
        found.append((message["DelaySeconds"], state))
        return send(**message)

    monkeypatch.setattr(consumer.sqs, "send_message", note)
    return found


def test_an_event_lands(consumer, sent, team):
    consumer.handler(a_message(team.event("invoices")), SECONDS_LEFT)
    assert team.current()["invoices"] == team.truth("invoices")
    assert sent == []


def test_it_waits_as_long_as_codat_asks_and_does_not_call_meanwhile(codat, consumer, sent, team):
    event = team.event("invoices")
    retry = {"Retry-After": "40000"}
    codat.portal("/faults", path="/data/invoices", status=429, headers=retry, times=1)
    consumer.handler(a_message(event), SECONDS_LEFT)
    ((delay, waiting),) = sent
    assert delay == 900
    assert 39_000 < waiting["until"] - time.time() <= 40_000
    calls = len(team.calls())
    consumer.handler(a_message(event, waiting), SECONDS_LEFT)
    assert len(team.calls()) == calls
    assert sent[1] == (900, waiting)
    consumer.handler(a_message(event, waiting | {"until": 0.0}), SECONDS_LEFT)
    assert team.current()["invoices"] == team.truth("invoices")


def test_a_copy_in_the_queue_carries_the_event_and_its_wait(codat, consumer, sent, team, queue):
    event = team.event("invoices")
    retry = {"Retry-After": "0"}
    codat.portal("/faults", path="/data/invoices", status=503, headers=retry, times=1)
    consumer.handler(a_message(event), SECONDS_LEFT)
    received = boto3.client("sqs", region_name=REGION).receive_message(
        QueueUrl=queue, MessageAttributeNames=["All"]
    )
    (copy,) = received["Messages"]
    assert json.loads(copy["Body"]) == event
    assert json.loads(copy["MessageAttributes"]["waiting"]["StringValue"]) == sent[0][1]


def test_waits_double_up_to_a_quarter_of_an_hour(codat, consumer, sent, team):
    event, waiting = team.event("invoices"), None
    codat.portal("/faults", path="/data/invoices", status=409, body={"error": "syncing"}, times=9)
    for _ in range(9):
        consumer.handler(a_message(event, waiting), SECONDS_LEFT)
        waiting = sent[-1][1] | {"until": 0.0}
    for number, (delay, _) in enumerate(sent):
        longest = min(30 * 2**number, 900)
        assert longest / 2 - 1 <= delay <= longest
    assert len({state["since"] for _, state in sent}) == 1


def test_after_a_day_of_waiting_the_message_fails(codat, consumer, sent, team):
    yesterday = {"since": time.time() - 86_500, "until": 0.0, "tries": 90}
    codat.portal("/faults", path="/data/invoices", status=409, body={"error": "syncing"}, times=1)
    with pytest.raises(consumer.Wait):
        consumer.handler(a_message(team.event("invoices"), yesterday), SECONDS_LEFT)
    assert sent == []


def test_the_day_starts_anew_when_pages_have_landed(codat, consumer, sent, team):
    yesterday = {"since": time.time() - 86_500, "until": 0.0, "tries": 90}
    event = team.event("payments", "invoices")
    codat.portal("/faults", path="/data/invoices", status=429, times=1)
    consumer.handler(a_message(event, yesterday), SECONDS_LEFT)
    ((_, waiting),) = sent
    assert time.time() - waiting["since"] < 60
    assert waiting["tries"] == 1


def test_without_time_it_goes_on_in_another_run_at_once(consumer, sent, team):
    event = team.event("invoices")
    no_time = SimpleNamespace(get_remaining_time_in_millis=lambda: 50_000)
    consumer.handler(a_message(event), no_time)
    ((delay, _),) = sent
    assert delay == 0


def test_a_new_key_is_read_after_a_401(codat, consumer, sent, team):
    consumer.codat._key = "old"
    consumer.handler(a_message(team.event("invoices")), SECONDS_LEFT)
    assert len(sent) == 1
    consumer.handler(a_message(team.event("invoices")), SECONDS_LEFT)
    assert team.current()["invoices"] == team.truth("invoices")


def test_what_it_cannot_read_fails(consumer, sent):
    with pytest.raises(KeyError):
        consumer.handler(a_message({"no": "detail"}), SECONDS_LEFT)
    assert sent == []
