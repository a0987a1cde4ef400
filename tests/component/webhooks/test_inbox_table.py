"""One contract for the real inbox on moto and for the fake that unit tests use."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from codat_hub.errors import Unavailable
from codat_hub.webhooks.inbox_table import InboxTable
from codat_hub.webhooks.webhook_event import Delivery, Unrecognised, WebhookFacts, recognise
from tests.support.builders import COMPANY, a_read_completed
from tests.support.fakes import FakeInbox

RECEIVED = datetime(2026, 7, 2, 23, 5, 34, 123456, UTC)
BODY = a_read_completed() + b"  \n\t" + "\u00e9\u20ac\U0001f9fe".encode()
DELIVERY = Delivery("msg_1", "lending", BODY, RECEIVED)
RECOGNISED = recognise(a_read_completed())


@pytest.fixture
def real(dynamodb, inbox_table):
    return InboxTable(dynamodb, inbox_table, timedelta(days=45))


@pytest.fixture(params=["real", "fake"])
def inbox(request):
    return FakeInbox() if request.param == "fake" else request.getfixturevalue("real")


def test_a_webhook_is_new_once(inbox):
    other = Delivery("msg_1", "expenses", b"{}", RECEIVED)
    assert inbox.store(DELIVERY, RECOGNISED) is True
    assert inbox.store(DELIVERY, RECOGNISED) is False
    assert inbox.store(other, Unrecognised("why")) is False
    assert inbox.store(Delivery("msg_2", "lending", BODY, RECEIVED), RECOGNISED) is True


def test_the_item_holds_the_exact_body_and_the_facts(real, dynamodb, inbox_table):
    real.store(DELIVERY, RECOGNISED)
    (item,) = dynamodb.scan(TableName=inbox_table)["Items"]
    assert item["body"]["S"].encode() == BODY
    del item["body"]
    assert item == {
        "webhook_id": {"S": "msg_1"},
        "consumer": {"S": "lending"},
        "received_at": {"S": "2026-07-02T23:05:34.123+00:00"},
        "event_id": {"S": "f7580941-2b3c-4a4d-98f5-60718293a4b5"},
        "event_type": {"S": "invoice-finance.read.completed"},
        "generated_date": {"S": "2026-07-02T23:05:33.845Z"},
        "company_id": {"S": COMPANY},
        "product": {"S": "invoice-finance"},
        "expires_at": {"N": str(int((RECEIVED + timedelta(days=45)).timestamp()))},
    }


def test_a_duplicate_leaves_the_first_item_as_it_was(real, dynamodb, inbox_table):
    real.store(DELIVERY, RECOGNISED)
    before = dynamodb.scan(TableName=inbox_table)["Items"]
    real.store(Delivery("msg_1", "expenses", b"{}", RECEIVED), Unrecognised("why"))
    assert dynamodb.scan(TableName=inbox_table)["Items"] == before


def test_a_quarantined_item_says_why_and_keeps_the_body(real, dynamodb, inbox_table):
    real.store(
        Delivery("msg_1", "lending", b"[1]", RECEIVED), Unrecognised("body is not an object")
    )
    (item,) = dynamodb.scan(TableName=inbox_table)["Items"]
    assert item["quarantine"] == {"S": "body is not an object"}
    assert item["body"] == {"S": "[1]"}


def test_facts_that_an_event_does_not_have_are_left_out(real, dynamodb, inbox_table):
    real.store(DELIVERY, WebhookFacts("e1", "client.rateLimit.reset", "2026-07-03"))
    (item,) = dynamodb.scan(TableName=inbox_table)["Items"]
    assert not {"company_id", "product", "quarantine"} & set(item)


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "PutItem"),
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutItem"),
        ConnectTimeoutError(endpoint_url="dynamodb"),
    ],
    ids=["throttled", "denied", "no answer"],
)
def test_any_failure_of_dynamodb_is_unavailable(real, dynamodb, monkeypatch, fault):
    def fail(**_request):
        raise fault

    monkeypatch.setattr(dynamodb, "put_item", fail)
    with pytest.raises(Unavailable):
        real.store(DELIVERY, RECOGNISED)


def test_an_item_that_boto3_rejects_is_not_quoted(real):
    facts = WebhookFacts("e1", "company.created", "2026-07-03", product={"payload": "text"})
    with pytest.raises(Unavailable) as raised:
        real.store(DELIVERY, facts)
    assert "payload" not in str(raised.value)


def test_a_missing_table_is_unavailable(dynamodb):
    with pytest.raises(Unavailable):
        InboxTable(dynamodb, "nowhere", timedelta(days=45)).store(DELIVERY, RECOGNISED)
