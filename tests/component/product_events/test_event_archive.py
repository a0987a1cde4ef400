"""The archive at EventBridge: what it refuses and what it does not answer."""

import boto3
import pytest
from botocore.stub import Stubber

from codat_hub.errors import Conflict, Invalid, Unavailable
from codat_hub.product_events.adapters.event_archive import EventArchive
from codat_hub.product_events.domain.resend import ResendStatus, TeamRule, TimeSpan
from tests.support.aws import REGION
from tests.support.histories import at

ACCOUNT = f"arn:aws:events:{REGION}:123456789012"
RULE = TeamRule("lending", f"{ACCOUNT}:rule/products/lending", enabled=True)
SPAN = TimeSpan(at(1), at(5))
ARCHIVE = f"{ACCOUNT}:archive/hub-products"
BUS = f"{ACCOUNT}:event-bus/products"


@pytest.fixture
def stubbed():
    client = boto3.client("events", region_name=REGION)
    with Stubber(client) as stub:
        yield EventArchive(client, BUS, ARCHIVE, exists=True), stub


def start(archive):
    return archive.start("r1", RULE, SPAN, "a" * 600)


def test_a_replay_of_the_span_goes_to_one_rule(stubbed):
    archive, stub = stubbed
    request = {
        "ReplayName": "hub-products-r1",
        "Description": ("requested by " + "a" * 600)[:512],
        "EventSourceArn": ARCHIVE,
        "EventStartTime": SPAN.since,
        "EventEndTime": SPAN.until,
        "Destination": {"Arn": BUS, "FilterArns": [RULE.arn]},
    }
    stub.add_response("start_replay", {}, request)
    assert start(archive)


def test_a_known_id_starts_nothing_and_an_eleventh_replay_is_refused(stubbed):
    archive, stub = stubbed
    stub.add_client_error("start_replay", "ResourceAlreadyExistsException")
    assert not start(archive)
    stub.add_client_error("start_replay", "LimitExceededException")
    with pytest.raises(Conflict, match="ten replays"):
        start(archive)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("Parameter EventStartTime is not valid. Reason: It is before the epoch.", "from"),
        ("Parameter EventEndTime is not valid. Reason: It is before EventStartTime.", "to"),
        ("Replay has no events.", "from"),
    ],
)
def test_a_time_span_that_eventbridge_does_not_take_is_the_requests_fault(stubbed, words, field):
    archive, stub = stubbed
    stub.add_client_error("start_replay", "ValidationException", words)
    with pytest.raises(Invalid) as refused:
        start(archive)
    (problem,) = refused.value.problems
    moment = SPAN.until if field == "to" else SPAN.since
    assert (problem.field, problem.value) == (field, moment.isoformat())
    assert words in problem.message


def test_one_that_is_over_meanwhile_is_not_cancelled(stubbed):
    archive, stub = stubbed
    stub.add_client_error("cancel_replay", "IllegalStatusException")
    archive.cancel("r1")


@pytest.mark.parametrize("state", ["STARTING", "RUNNING", "CANCELLING", "CANCELLED", "FAILED"])
def test_its_progress_and_reason_are_eventbridges(stubbed, state):
    archive, stub = stubbed
    answer = {
        "Description": "requested by ann",
        "EventStartTime": at(1),
        "EventEndTime": at(5),
        "EventLastReplayedTime": at(2),
        "Destination": {"Arn": BUS, "FilterArns": [RULE.arn]},
        "State": state,
        "StateReason": "why",
    }
    stub.add_response("describe_replay", answer, {"ReplayName": "hub-products-r1"})
    resend = archive.get("r1")
    assert (resend.rule, resend.span, resend.requested_by) == ("lending", SPAN, "ann")
    assert (resend.reached, resend.reason) == (at(2), "why")
    assert resend.status is ResendStatus(state.lower())


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("describe_rule", lambda archive: archive.rule("lending")),
        ("describe_archive", lambda archive: archive.size()),
        ("start_replay", start),
        ("describe_replay", lambda archive: archive.get("r1")),
        ("cancel_replay", lambda archive: archive.cancel("r1")),
    ],
)
def test_without_an_answer_it_is_unavailable(stubbed, method, call):
    archive, stub = stubbed
    stub.add_client_error(method, "InternalException")
    with pytest.raises(Unavailable):
        call(archive)
