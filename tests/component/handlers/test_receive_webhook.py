"""The webhook handler as Lambda runs it, on moto: an API Gateway event in, an answer out."""

import base64
import importlib
import json
import string
import sys
from datetime import UTC, datetime

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codat_hub.webhooks.receive_webhook import DeliveryOutcome
from tests.support.aws import Context
from tests.support.builders import SECRET, a_read_completed, signed_headers
from tools.samconfig import ROOT
from tools.sign_event import EXAMPLE_SECRET, sign_event
from tools.template import RESOURCES, resources

MODULE = "codat_hub.handlers.receive_webhook"
BODY = a_read_completed()


@pytest.fixture
def handler(secretsmanager, inbox_table, monkeypatch):
    """Import the handler as a cold start does, with its secret in place."""
    secret = secretsmanager.create_secret(
        Name="signing", SecretString=json.dumps({"lending": [SECRET]})
    )
    monkeypatch.setenv("INBOX_TABLE", inbox_table)
    monkeypatch.setenv("SIGNING_SECRETS_ARN", secret["ARN"])
    monkeypatch.setenv("INBOX_RETENTION_DAYS", "45")
    monkeypatch.setenv("SECRET_RELOAD_SECONDS", "60")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return importlib.import_module(MODULE).handler


@pytest.fixture
def stored(dynamodb, inbox_table):
    return lambda: dynamodb.scan(TableName=inbox_table)["Items"]


def an_api_event(body=BODY, headers=None, consumer="lending", **changes):
    """Return the parts of an API Gateway proxy event that reach the use case."""
    return {
        "httpMethod": "POST",
        "path": f"/webhooks/codat/{consumer}",
        "pathParameters": {"consumer": consumer},
        "headers": signed_headers(body) if headers is None else headers,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    } | changes


def status_and_message(answer):
    assert answer["headers"] == {"Content-Type": "application/json"}
    return answer["statusCode"], json.loads(answer["body"])["message"]


def test_a_new_webhook_is_200_and_stored(handler, stored):
    assert status_and_message(handler(an_api_event(), Context())) == (200, "OK")
    (item,) = stored()
    assert item["body"]["S"].encode() == BODY


def test_a_body_that_arrives_as_text_is_stored_too(handler, stored):
    event = an_api_event(body=BODY, isBase64Encoded=False) | {"body": BODY.decode()}
    assert handler(event, Context())["statusCode"] == 200
    (item,) = stored()
    assert item["body"]["S"].encode() == BODY


def test_a_duplicate_is_200_and_changes_nothing(handler, stored):
    handler(an_api_event(), Context())
    before = stored()
    assert handler(an_api_event(), Context())["statusCode"] == 200
    assert stored() == before


def test_an_unrecognised_webhook_is_202_and_stored(handler, stored):
    assert status_and_message(handler(an_api_event(b"[]"), Context())) == (202, "Accepted")
    assert [item["quarantine"] for item in stored()] == [{"S": "body is not a JSON object"}]


@pytest.mark.parametrize(
    "build",  # called in the test: a signature is too old after five minutes
    [
        lambda: an_api_event(headers={}),
        lambda: an_api_event() | {"headers": None},
        lambda: an_api_event(headers=signed_headers(b"other")),
        lambda: an_api_event(consumer="expenses"),
        lambda: an_api_event() | {"pathParameters": None},
        lambda: an_api_event() | {"body": None},
        lambda: an_api_event() | {"body": "%%%"},
        lambda: an_api_event() | {"body": "\udcff", "isBase64Encoded": False},
        lambda: an_api_event(b"\xff"),
    ],
)
def test_every_refusal_is_the_same_401(handler, stored, build):
    assert status_and_message(handler(build(), Context())) == (401, "Unauthorized")
    assert stored() == []


@pytest.mark.parametrize("encoded", [True, False])
def test_300_kb_is_413(handler, stored, encoded):
    event = an_api_event(b"x" * 300_000)
    event |= {} if encoded else {"isBase64Encoded": False, "body": "x" * 300_000}
    assert status_and_message(handler(event, Context())) == (413, "Payload Too Large")
    assert stored() == []


def test_a_body_that_is_too_large_is_not_decoded(handler):
    event = an_api_event() | {"body": "%" * 400_000}
    assert handler(event, Context())["statusCode"] == 413


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf{}", b"{\r\n}\r\n", b"\t[] \n", b"\x00"])
def test_no_byte_of_a_body_is_changed(handler, stored, body):
    assert handler(an_api_event(body), Context())["statusCode"] == 202
    assert stored()[0]["body"]["S"].encode() == body


def test_256_kb_is_stored(handler, stored):
    body = b'"' + b"x" * (256 * 1024 - 2) + b'"'
    assert handler(an_api_event(body), Context())["statusCode"] == 202
    assert len(stored()[0]["body"]["S"]) == 256 * 1024


def test_without_its_table_it_is_503_and_a_retry_delivers_later(
    handler, dynamodb, inbox_table, stored
):
    properties = dynamodb.describe_table(TableName=inbox_table)["Table"]
    dynamodb.delete_table(TableName=inbox_table)
    assert status_and_message(handler(an_api_event(), Context())) == (503, "Service Unavailable")
    dynamodb.create_table(
        TableName=inbox_table,
        BillingMode="PAY_PER_REQUEST",
        **{name: properties[name] for name in ("KeySchema", "AttributeDefinitions")},
    )
    assert handler(an_api_event(), Context())["statusCode"] == 200
    assert len(stored()) == 1


def test_without_its_secret_it_is_503(handler, secretsmanager, stored):
    secretsmanager.delete_secret(SecretId="signing", ForceDeleteWithoutRecovery=True)
    assert handler(an_api_event(), Context())["statusCode"] == 503
    assert stored() == []


@pytest.mark.parametrize(
    ("parts", "metric"),
    [
        ({}, "webhook_stored"),
        ({"body": b"[]"}, "webhook_quarantined"),
        ({"headers": {}}, "webhook_refused"),
        ({"body": b"x" * 300_000}, "webhook_too_large"),
    ],
)
def test_each_outcome_is_counted_under_its_name(handler, capsys, parts, metric):
    handler(an_api_event(**parts), Context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counted = [line for line in lines if metric in line]
    assert [line[metric] for line in counted] == [[1.0]]
    (directive,) = counted[0]["_aws"]["CloudWatchMetrics"]
    for alarm in resources("AWS::CloudWatch::Alarm").values():
        watched = alarm["Properties"]
        if watched["MetricName"] == metric:
            assert watched["Namespace"] == directive["Namespace"]
            assert [[d["Name"] for d in watched["Dimensions"]]] == directive["Dimensions"]


def test_each_alarm_watches_a_metric_that_an_outcome_emits():
    source = (ROOT / "functions" / "codat_hub" / "handlers" / "receive_webhook.py").read_text()
    outcomes = {*DeliveryOutcome, "refused", "too_large", "unavailable"}
    assert all(f'"{outcome}"' in source for outcome in outcomes - {*DeliveryOutcome})
    names = [a["Properties"]["MetricName"] for a in resources("AWS::CloudWatch::Alarm").values()]
    ours = {name for name in names if isinstance(name, str) and name.startswith("webhook_")}
    of_the_projection = {"webhook_dated_ahead"}
    assert ours - of_the_projection <= {f"webhook_{outcome}" for outcome in outcomes}


def test_no_log_line_holds_a_header_a_secret_or_a_body(handler, capsys, caplog):
    body = a_read_completed()
    headers = {**signed_headers(body), "x-internal": "header-value"}
    for event in (an_api_event(body, headers), an_api_event(b"other", headers)):
        handler(event, Context())
    logged = capsys.readouterr().out + "".join(str(vars(record)) for record in caplog.records)
    assert "webhook received" in logged
    assert "webhook refused" in logged
    encoded = base64.b64encode(body).decode()
    hidden = (SECRET[6:], headers["webhook-signature"][3:], "header-value", "Harbour Lane")
    for secret in (*hidden, encoded[:40], base64.b64encode(b"other").decode()):
        assert secret not in logged


def test_the_answer_comes_before_lambda_or_codat_gives_up(handler):
    aws, timeout = sys.modules[MODULE]._AWS, RESOURCES["ReceiveWebhookFunction"]["Properties"]
    one_try = aws.connect_timeout + aws.read_timeout
    tries = aws.retries["total_max_attempts"]
    back_off = 1.0 * (tries - 1)  # seconds at the most, before a second try
    both_calls = 2 * (tries * one_try + back_off)
    assert both_calls < timeout["Timeout"] < 15


texts = st.text(max_size=60) | st.text(string.printable, max_size=60)
hostile_headers = st.dictionaries(
    st.sampled_from(list(signed_headers(b""))) | texts,
    texts | st.sampled_from(list(signed_headers(b"x").values())),
    max_size=6,
)


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    consumer=st.just("lending") | texts,
    headers=st.none() | hostile_headers,
    body=st.none() | texts | st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()),
    encoded=st.booleans(),
)
def test_a_thousand_hostile_requests_are_each_one_401_and_nothing_else(
    handler, stored, consumer, headers, body, encoded
):
    event = {"pathParameters": {"consumer": consumer}, "headers": headers, "body": body}
    answer = handler({**event, "isBase64Encoded": encoded}, Context())
    assert status_and_message(answer) == (401, "Unauthorized")
    assert stored() == []


def example_event():
    """Return events/receive_webhook.json for the consumer whose secret the tests hold."""
    event = json.loads((ROOT / "events" / "receive_webhook.json").read_text())
    return event | {"pathParameters": {"consumer": "lending"}}


def test_the_example_event_is_valid_when_its_clock_is_right(handler, stored):
    event = example_event()
    with time_machine.travel(int(event["headers"]["webhook-timestamp"]), tick=False):
        assert handler(event, Context())["statusCode"] == 200
    assert len(stored()) == 1


def test_the_example_event_signed_anew_is_valid_now(handler, stored):
    assert handler(example_event(), Context())["statusCode"] == 401
    event = sign_event(example_event(), EXAMPLE_SECRET, datetime.now(UTC))
    assert handler(event, Context())["statusCode"] == 200
    assert len(stored()) == 1
