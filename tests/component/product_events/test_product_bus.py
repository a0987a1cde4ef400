"""EventBridge may refuse an event in an answer with status 200."""

import json

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from codat_hub.errors import NeverProjected, Unavailable
from codat_hub.product_events.adapters.product_bus import EventBridgeBus
from codat_hub.product_events.domain.read_state import ReadState, project
from tests.support.histories import a_read, entry

SMALL = project(ReadState(), a_read(1)).published
LARGE = project(ReadState(), a_read(1, *(entry(connection_id=f"{n:064}") for n in range(2000))))


class FakeEvents:
    """Answers put_events with the given results; an exception is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.entries = []

    def put_events(self, *, Entries):  # noqa: N803  # boto3's own spelling
        (entry,) = Entries
        self.entries.append(entry)
        answer = self.answers.pop(0) if self.answers else {"EventId": "1"}
        if isinstance(answer, Exception):
            raise answer
        return {"FailedEntryCount": int("EventId" not in answer), "Entries": [answer]}


def test_an_entry_names_bus_source_and_type():
    events = FakeEvents()
    EventBridgeBus(events, "products").publish(SMALL)
    (entry,) = events.entries
    assert json.loads(entry.pop("Detail")) == SMALL.detail()
    assert entry == {
        "EventBusName": "products", "Source": "codat-hub", "DetailType": "ProductReadCompleted"
    }  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"},
        {"ErrorCode": "InternalFailure"},
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutEvents"),
        EndpointConnectionError(endpoint_url="events"),
    ],
)
def test_a_refused_entry_is_unavailable(answer):
    with pytest.raises(Unavailable):
        EventBridgeBus(FakeEvents(answer), "products").publish(SMALL)


@pytest.mark.parametrize(
    "answer",
    [
        {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."},
        ClientError({"Error": {"Code": "ValidationException"}}, "PutEvents"),
    ],
)
def test_an_entry_that_eventbridge_can_never_accept_is_never_projected(answer):
    with pytest.raises(NeverProjected):
        EventBridgeBus(FakeEvents(answer), "products").publish(SMALL)


def test_a_large_event_is_published_in_parts_below_the_limit_of_an_entry():
    events = FakeEvents()
    EventBridgeBus(events, "products").publish(LARGE.published)
    assert len(events.entries) > 1
    for entry_ in events.entries:
        assert sum(len(text.encode()) for text in entry_.values()) < 256 * 1024


def test_after_a_refused_part_all_parts_are_published_again_with_the_same_keys():
    events = FakeEvents({"EventId": "1"}, {"ErrorCode": "InternalFailure"})
    bus = EventBridgeBus(events, "products")
    with pytest.raises(Unavailable):
        bus.publish(LARGE.published)
    first = [json.loads(entry_["Detail"])["event_key"] for entry_ in events.entries]
    bus.publish(LARGE.published)
    keys = [json.loads(entry_["Detail"])["event_key"] for entry_ in events.entries][len(first) :]
    assert keys[: len(first)] == first
    assert len(set(keys)) == len(keys)
