"""Rules and queues of tails, where EventBridge or SQS refuses or does not answer."""

import boto3
import pytest
from botocore.stub import ANY, Stubber

from codat_hub.errors import Unavailable
from codat_hub.product_events.adapters.bus_tails import BusTails
from tests.support.aws import REGION

BUS = f"arn:aws:events:{REGION}:123456789012:event-bus/products"
URL = {"QueueUrl": "https://sqs.example/products-tail-t1"}


@pytest.fixture
def stubbed():
    events, sqs = (boto3.client(service, region_name=REGION) for service in ("events", "sqs"))
    with Stubber(events) as at_events, Stubber(sqs) as at_sqs:
        yield BusTails(events, sqs, BUS), at_events, at_sqs


def test_a_rule_without_its_queue_is_not_taken_for_open(stubbed):
    tails, events, sqs = stubbed
    sqs.add_response("create_queue", URL, {"QueueName": "products-tail-t1", "Attributes": ANY})
    events.add_response("put_rule", {})
    failed = {"FailedEntryCount": 1, "FailedEntries": [{"ErrorMessage": "no such queue"}]}
    events.add_response("put_targets", failed)
    with pytest.raises(Unavailable, match="no such queue"):
        tails.open("t1", None)


def test_a_tail_without_a_rule_still_loses_its_queue(stubbed):
    tails, events, sqs = stubbed
    events.add_client_error("remove_targets", "ResourceNotFoundException")
    sqs.add_response("get_queue_url", URL)
    sqs.add_response("delete_queue", {})
    tails.close("t1")
    sqs.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("get_queue_url", lambda tails: tails.receive("t1")),
        ("create_queue", lambda tails: tails.open("t1", None)),
    ],
)
def test_without_an_answer_of_sqs_it_is_unavailable(stubbed, method, call):
    tails, _, sqs = stubbed
    sqs.add_client_error(method, "InternalError")
    with pytest.raises(Unavailable):
        call(tails)


def test_without_an_answer_of_eventbridge_nothing_counts_as_closed(stubbed):
    tails, events, _ = stubbed
    events.add_client_error("remove_targets", "InternalException")
    with pytest.raises(Unavailable):
        tails.close("t1")
