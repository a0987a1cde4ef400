"""A team whose rule was disabled for a day has its events again; full loads; tails."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.support.histories import PRODUCT, a_read
from tests.support.system.control_api import ControlApi, as_role
from tests.support.waiting import eventually
from tools.example_consumer.consumer.codat import Codat
from tools.example_consumer.consumer.current import landed, newest
from tools.example_consumer.consumer.landing import Landing
from tools.local.codat import codat_client

DAY = 8  # reads of a product that is read every three hours
PATTERN = {"source": ["codat-hub"], "detail": {"product": [PRODUCT]}}


class Team:
    """A team's rule and queue; `envelopes` are the events it got so far, of one company."""

    def __init__(self, hub, name):
        self.events, self.sqs, self.rule = hub.client("events"), hub.client("sqs"), name
        self.bus = hub.described["event_bus"]
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        pattern = json.dumps(PATTERN)
        self.events.put_rule(Name=name, EventBusName=self.bus, EventPattern=pattern)
        targets = [{"Id": "queue", "Arn": asked["Attributes"]["QueueArn"]}]
        self.events.put_targets(Rule=name, EventBusName=self.bus, Targets=targets)
        self.envelopes = []

    def leave(self):
        self.events.remove_targets(Rule=self.rule, EventBusName=self.bus, Ids=["queue"])
        self.events.delete_rule(Name=self.rule, EventBusName=self.bus)
        self.sqs.delete_queue(QueueUrl=self.queue)

    def receive(self):
        """Take what is in the queue; return the events that came."""
        came = []
        while True:
            answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            if "Messages" not in answer:
                self.envelopes += came
                return came
            for message in answer["Messages"]:
                came.append(json.loads(message["Body"]))
                handle = message["ReceiptHandle"]
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=handle)

    def of(self, company):
        return [event for event in self.envelopes if event["detail"]["company_id"] == company]

    def has(self, company, number):
        self.receive()
        return len(self.of(company)) >= number


@pytest.fixture
def teams(hub):
    """A team and another one, with rules of the same pattern."""
    both = [Team(hub, "resends-team"), Team(hub, "resends-other")]
    yield both
    for team in both:
        team.leave()


@pytest.fixture
def operator(hub):
    root = ControlApi(hub.described["api_url"], hub.described["region"])
    credentials = as_role(hub, "hub-operator", hub.described["control_api_operator"])
    return ControlApi(root.url, root.region, credentials)


def over(operator, resend):
    def shown():
        _, body = operator.call("GET", f"/resends/{resend['resend_id']}")
        return body if body["status"] in {"complete", "failed", "cancelled"} else None

    return eventually(shown)


class Bucket:
    """A team's bucket, and the example consumer's code that lands records in it."""

    def __init__(self, hub, name):
        self.s3, self.name = hub.client("s3"), name
        self.s3.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": hub.described["region"]}
        )
        self.codat = Codat(hub.codat["url"], lambda: hub.codat["api_key"], pause=0)

    def land(self, envelope):
        Landing(self.codat, self.s3, self.name, 100, frozenset(), lambda: True).land(envelope)

    def records(self):
        return {(line["data_type"], line["connection"], line["id"]): line["record"]
                for line in newest(landed(self.s3, self.name))}  # fmt: skip


def everything(hub, detail):
    """Return what Codat has now of the data types of an event."""
    whole = [{**entry, "full_load": True, "modified_from": None} for entry in detail["data_types"]]
    bucket = Bucket(hub, f"everything-{uuid4()}")
    bucket.land({"detail": {**detail, "data_types": whole}})
    return bucket.records()


def test_a_team_that_was_deaf_for_a_day_ends_with_codats_data(hub, projection, teams, operator):
    team, other = teams
    company = hub.linked_company(PRODUCT, 3)
    began = datetime.now(UTC) - timedelta(seconds=1)
    with codat_client(hub.codat) as codat:
        consumer = Bucket(hub, f"team-{uuid4()}")

        def read_again(until):
            """Let Codat read until there were so many reads in all, each published by itself."""
            while len(other.of(company)) < until:
                known = len(other.of(company))
                body = {"companyId": company, "productIdentifier": PRODUCT}
                codat.post("/_sandbox/reads/start", json=body).raise_for_status()
                codat.post("/_sandbox/reads/complete", json=body).raise_for_status()
                eventually(lambda: other.has(company, known + 1), seconds=60)  # noqa: B023

        def handle(number):
            """Wait for so many events in all, and let the team handle those it has not yet."""
            eventually(lambda: team.has(company, number))
            for envelope in team.of(company):
                consumer.land(envelope)

        # Others may have let Codat read this company: a new team asks for all data first.
        path = f"/companies/{company}/products/{PRODUCT}/full-load"
        assert operator.call("POST", path)[0] == 200
        read_again(until=1)
        handle(1)
        team.events.disable_rule(Name=team.rule, EventBusName=team.bus)
        read_again(until=1 + DAY)
        team.events.enable_rule(Name=team.rule, EventBusName=team.bus)
        read_again(until=2 + DAY)
        handle(2)
        (last,) = [e["detail"] for e in team.of(company) if e["detail"]["occurred_at"]
                   == max(e["detail"]["occurred_at"] for e in team.of(company))]  # fmt: skip
        assert consumer.records() != everything(hub, last)  # the day is missing

        span = {"from": began.isoformat(), "to": datetime.now(UTC).isoformat()}
        status, resend = operator.call("POST", "/resends", {"rule": team.rule, **span})
        assert status == 202, resend
        assert over(operator, resend)["status"] == "complete"
        handle(2 + 2 + DAY)  # all that was published comes again, also what it had already
        assert consumer.records() == everything(hub, last)
    other.receive()
    keys = [event["detail"]["event_key"] for event in other.of(company)]
    assert len(keys) == len(set(keys)) == 2 + DAY
    assert not [event for event in other.envelopes if "replay-name" in event]


def test_the_operator_is_told_how_many_at_most_and_what_is_not_possible(hub, teams, operator):
    span = {"from": "2026-11-01T00:00:00Z", "to": datetime.now(UTC).isoformat()}
    asked = {"rule": teams[0].rule, **span}
    status, planned = operator.call("POST", "/resends?dry_run=true", asked)
    assert (status, planned["status"]) == (202, "planned")
    archive = hub.client("events").list_archives()["Archives"]
    assert planned["events_at_most"] in {known["EventCount"] for known in archive}
    assert operator.call("POST", "/resends", {"rule": "none", **span})[0] == 404
    teams[0].events.disable_rule(Name=teams[0].rule, EventBusName=teams[0].bus)
    assert operator.call("POST", "/resends", asked)[0] == 409


def test_a_full_load_that_is_asked_for_is_the_next_read(hub, projection, operator):
    company = hub.linked_company(PRODUCT, 4)
    hours = iter(range(1, 10))

    def read():
        hour = next(hours)
        webhook_id = projection.send(a_read(hour, at=datetime.now(UTC), since=hour - 1), company)
        assert projection.projected(webhook_id) == ["published"]
        (detail,) = eventually(
            lambda: [d for d in projection.details(company) if d["webhook_id"] == webhook_id]
        )
        return detail["data_types"][0]["full_load"]

    read()
    assert not read()
    path = f"/companies/{company}/products/{PRODUCT}/full-load"
    assert operator.call("POST", path)[0] == 200
    assert read()
    assert not read()


def test_the_bus_is_followed_by_a_rule_and_a_queue_that_go_again(
    hub, projection, company, operator
):
    status, tail = operator.call("POST", "/tails", {"product": PRODUCT})
    assert status == 200, tail
    webhook_id = projection.send(a_read(1), company)

    def came():
        status, body = operator.call("POST", f"/tails/{tail['tail_id']}/events")
        assert status == 200, body
        return [e for e in body["events"] if e["detail"]["webhook_id"] == webhook_id]

    (event,) = eventually(came)
    assert event["detail"]["company_id"] == company
    assert operator.call("DELETE", f"/tails/{tail['tail_id']}")[0] == 200
    assert operator.call("POST", f"/tails/{tail['tail_id']}/events")[0] == 404
    rules = hub.client("events").list_rules(EventBusName=hub.described["event_bus"])["Rules"]
    assert not [rule for rule in rules if rule["Name"].endswith(tail["tail_id"])]
