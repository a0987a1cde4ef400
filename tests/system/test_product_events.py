"""Webhooks through the deployed stack to a team's queue: inbox, stream, projector, bus, rule."""

import json
import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import boto3
import jsonschema
import pytest

from codat_hub.adapters.companies import Companies
from codat_hub.adapters.read_states import ReadStates
from codat_hub.adapters.state_table import ItemKey, StateTable
from codat_hub.domain.read_event import ReadEvent
from tests.builders import a_read_completed
from tests.component.test_state_table import size_of
from tests.histories import (
    PRODUCT,
    Ledger,
    a_read,
    a_removal,
    as_webhook,
    at,
    entry,
    newest_complete,
)
from tests.template import ROOT
from tests.waiting import eventually
from tools.local.codat import codat_client

SCHEMA = json.loads((ROOT / "events/schemas/product_read_completed.v1.json").read_text())


@dataclass(frozen=True)
class Projection:
    """The deployed projection as a test sees it; `details` are the events of the team's queue."""

    hub: object
    table: StateTable
    queue: str
    arrived: list

    def send(self, event, company, webhook_id=None):
        """Deliver an event for one company; return its webhook-id."""
        event = replace(event, company_id=company)
        if isinstance(event, ReadEvent):
            event = replace(event, event_id=f"{event.event_id}-{company}")
        webhook = as_webhook(event)
        webhook_id = webhook_id or f"{webhook.webhook_id}-{uuid.uuid4()}"
        headers = self.hub.headers(webhook.body, webhook_id)
        assert self.hub.post(webhook.body, headers).status_code == 200
        return webhook_id

    def projected(self, *webhook_ids, outcome=None):
        """Wait until the function has said what became of these webhooks."""

        def said():
            lines = self.hub.logged(self.hub.described["project_reads_logs"])
            outcomes = {
                line["webhook_id"]: line["outcome"]
                for line in lines
                if line.get("message") == "webhook projected"
            }
            return set(webhook_ids) <= set(outcomes) and [outcomes[one] for one in webhook_ids]

        return eventually(said, seconds=60)

    def details(self, company):
        """Return the company's product events so far, each event key once."""
        sqs = self.hub.client("sqs")
        for _ in range(50):  # while writing is denied, each try publishes once more
            answer = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                self.arrived.append(json.loads(message["Body"])["detail"])
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            if "Messages" not in answer:
                break
        ours = {one["event_key"]: one for one in self.arrived if one["company_id"] == company}
        return list(ours.values())

    def state(self, company, product=PRODUCT):
        return ReadStates(self.table).get(company, product)


@pytest.fixture(scope="module")
def projection(hub):
    """A queue behind a rule that takes everything from the bus."""
    events, sqs = hub.client("events"), hub.client("sqs")
    queue = sqs.create_queue(QueueName="every-team")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    bus = hub.described["event_bus"]
    pattern = json.dumps({"source": ["codat-hub"], "detail-type": ["ProductReadCompleted"]})
    events.put_rule(Name="everything", EventBusName=bus, EventPattern=pattern)
    targets = [{"Id": "queue", "Arn": arn["QueueArn"]}]
    events.put_targets(Rule="everything", EventBusName=bus, Targets=targets)
    table = StateTable(hub.client("dynamodb"), hub.described["state_table"])
    return Projection(hub, table, queue, [])


@pytest.fixture
def company():
    return str(uuid.uuid4())


def windows(details, data_type, connection="a"):
    """Return (from, until) of the Complete entries of one key, oldest first."""
    return sorted(
        (
            (one["modified_from"] and datetime.fromisoformat(one["modified_from"]),
             datetime.fromisoformat(detail["occurred_at"]))
            for detail in details
            for one in detail["data_types"]
            if (one["data_type"], one["connection_id"]) == (data_type, connection)
            and one["status"] == "Complete"
        ),
        key=lambda window: window[1],
    )  # fmt: skip


def function_of(hub):
    return hub.described["project_reads_logs"].rpartition("/")[2]


def test_a_read_reaches_the_team_as_the_schema_says(projection, company):
    webhook_id = projection.send(a_read(1), company)
    (detail,) = eventually(lambda: projection.details(company))
    jsonschema.validate(detail, SCHEMA)
    assert detail["webhook_id"] == webhook_id
    assert detail["product"] == PRODUCT


HISTORY = [
    a_read(1, entry(), entry("payments"), entry(connection_id="b"), since=None),
    replace(a_read(1.01, entry(), entry("payments"), entry(connection_id="b"), since=None),
            subs=frozenset({"initial"})),
    a_read(2, entry(), entry("payments", status="FetchError"), since=1),
    a_removal(2.5, connection="b"),
    a_read(3, entry(), entry("payments"), entry(connection_id="b", status="AuthError"), since=1),
    a_read(4, entry(status="MapError"), entry("company"), since=3),
    a_removal(4.5),
    a_read(5, entry(), entry("payments"), entry(connection_id="b"), since=3),
    a_read(6, entry("payments"), entry(connection_id="b", status="NotSupported"), since=5),
]  # fmt: skip
LAST = a_read(100, *(entry(kind, where) for kind in ("invoices", "payments", "company")
                     for where in "ab"), since=99)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_a_history_in_any_order_with_repeats_ends_as_in_the_domain(projection, company, seed):
    rng = random.Random(seed)
    mixed = [*HISTORY, *rng.sample(HISTORY, 4)]
    rng.shuffle(mixed)
    with ThreadPoolExecutor(3) as pool:
        sent = list(pool.map(lambda event: projection.send(event, company), mixed))
    projection.projected(*sent)
    ours = [replace(one, company_id=company) for one in HISTORY]
    ours = [replace(one, event_id=f"{one.event_id}-{company}")
            if isinstance(one, ReadEvent) else one for one in ours]  # fmt: skip
    ledger = Ledger().take(*ours)
    state, _ = projection.state(company)
    assert replace(state, keys=without_answers(state)) == ledger.facts[0]
    assert Companies(projection.table).get(company)[0].removed_connections == {"b": at(2.5)}
    projection.projected(projection.send(LAST, company))
    details = projection.details(company)
    for kind in ("invoices", "payments", "company"):
        for where in "ab":
            until = None
            for start, end in windows(details, kind, where):
                assert start is None or (until is not None and start <= until)
                until = end
            assert until == LAST.at
    occurred = [detail["occurred_at"] for detail in details]
    assert len(set(occurred)) == len(occurred)
    newest = newest_complete(HISTORY, LAST.entries[0].key)
    assert newest in {until for _, until in windows(details, "invoices")}


def without_answers(state):
    return {key: replace(one, covered=None) for key, one in state.keys.items()}


def test_the_seeds_example_a_daily_at_23_b_hourly_both_with_payments(projection, company):
    payments = entry("payments")
    sent = [projection.send(a_read(23, payments, since=None, product="a"), company)]
    for hour in range(24, 48):
        hourly = a_read(hour, payments, since=hour - 1, product="b", event_id=f"b-{hour}")
        sent.append(projection.send(hourly, company))
    sent.append(projection.send(a_read(47, payments, since=46, product="a"), company))
    projection.projected(*sent)
    (first, last) = sorted(
        (d for d in projection.details(company) if d["product"] == "a"),
        key=lambda detail: detail["occurred_at"],
    )
    assert first["data_types"][0]["full_load"] is True
    assert last["data_types"][0]["modified_from"] == "2026-07-01T23:00:00.000000Z"


def test_a_portal_recovery_is_stored_and_changes_nothing(projection, hub, company):
    projection.projected(projection.send(a_read(1), company))
    before, events = projection.state(company), projection.details(company)
    again = projection.send(a_read(1), company)
    assert projection.projected(again) == ["repeated"]
    assert hub.item(again)
    assert projection.state(company) == before
    assert projection.details(company) == events


def test_one_write_for_a_read_and_a_small_item(projection, hub, company):
    sent = [projection.send(a_read(hour, since=hour - 1), company) for hour in range(1, 9)]
    outcomes = projection.projected(*sent)
    _, version = projection.state(company)
    assert version == outcomes.count("published")  # the version counts the writes of an item
    assert Companies(projection.table).get(company)[1] == 1  # learned, once
    key = {"pk": {"S": f"COMPANY#{company}"}, "sk": {"S": f"READS#{PRODUCT}"}}
    answer = hub.client("dynamodb").get_item(TableName=hub.described["state_table"], Key=key)
    assert size_of({"M": answer["Item"]}) < 1024  # one write unit


def test_a_poison_record_is_parked_and_the_rest_goes_on(projection, hub, company):
    before = projection.send(a_read(1), company)
    poison = a_read_completed(dataTypes=[{"dataType": "invoices"}])
    webhook_id = f"msg-poison-{company}"
    assert hub.post(poison, hub.headers(poison, webhook_id)).status_code == 200
    after = projection.send(a_read(2, since=1), company)
    assert projection.projected(webhook_id) == ["parked"]
    projection.projected(before, after)
    assert len(projection.details(company)) >= 1
    parked = projection.table.get(ItemKey("PARKED", webhook_id)).attributes
    assert "connectionId" in parked["reason"]


@pytest.mark.parametrize(
    ("action", "published_meanwhile"),
    [("events:PutEvents", 0), ("dynamodb:PutItem", 1)],
)
def test_without_a_permission_nothing_is_lost_and_nothing_counts_twice(
    projection, hub, company, action, published_meanwhile
):
    projection.projected(projection.send(a_read(1), company))
    eventually(lambda: len(projection.details(company)) == 1)
    with hub.stack.emulator.denied(function_of(hub), action):
        webhook_id = projection.send(a_read(2, since=1), company)
        eventually(lambda: later(hub, webhook_id), seconds=60)
        assert projection.state(company)[1] == 1
        eventually(lambda: len(projection.details(company)) == 1 + published_meanwhile)
    projection.projected(webhook_id)
    state, version = projection.state(company)
    assert (version, state.last_read_at) == (2, at(2))
    assert len(projection.details(company)) == 2
    assert windows(projection.details(company), "invoices")[1] == (at(1), at(2))
    assert given_up(hub) == 0


def later(hub, webhook_id):
    lines = hub.logged(hub.described["project_reads_logs"])
    return [
        line for line in lines
        if line.get("message") == "webhook not projected yet" and line["webhook_id"] == webhook_id
    ]  # fmt: skip


def given_up(hub):
    answer = hub.client("sqs").get_queue_attributes(
        QueueUrl=hub.described["project_reads_given_up"],
        AttributeNames=["ApproximateNumberOfMessages"],
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def test_the_sandboxs_reads_delivered_twice_and_shuffled_arrive_once_without_a_gap(projection, hub):
    with codat_client(hub.codat) as codat:
        companies = codat.get("/companies").json()["results"]
        (chosen, *_) = [
            one for one in companies
            if PRODUCT in one["products"]
            and any(link["status"] == "Linked" for link in one["dataConnections"])
        ]  # fmt: skip
        rules = {"duplicateProbability": 0.5, "reorder": True}
        codat.post("/_sandbox/delivery", json=rules).raise_for_status()
        read = {"companyId": chosen["id"], "productIdentifier": PRODUCT}
        for _ in range(5):
            codat.post("/_sandbox/reads/start", json=read).raise_for_status()
            codat.post("/_sandbox/reads/complete", json=read).raise_for_status()
        sent = [one for one in codat.get("/_sandbox/deliveries").json()
                if one["companyId"] == chosen["id"]
                and one["eventType"] == f"{PRODUCT}.read.completed"]  # fmt: skip
        codat.post("/_sandbox/delivery", json={"duplicateProbability": 0, "reorder": False})
    ids = {message["webhookId"] for message in sent}
    assert len(ids) == 5
    outcomes = projection.projected(*ids)
    assert set(outcomes) <= {"published", "superseded"}
    details = [d for d in projection.details(chosen["id"]) if d["product"] == PRODUCT]
    assert len(details) == outcomes.count("published")
    connection = details[0]["data_types"][0]["connection_id"]
    until = None
    for start, end in windows(details, "invoices", connection):
        assert start is None or start <= until
        until = end
    newest = max(message["generatedDate"] for message in sent)
    assert until == datetime.fromisoformat(newest)


def test_a_portal_example_with_made_up_ids_harms_nothing(projection, hub, company):
    projection.projected(projection.send(a_read(1), company))
    before = projection.state(company)
    example = hub.send_example("platform", "read.completed")
    assert projection.projected(example)[0] in {"published", "superseded", "repeated"}
    assert projection.state(company) == before
    assert given_up(hub) == 0


def test_the_function_may_do_with_state_and_inbox_what_it_needs_and_no_more(hub):
    functions, sts = hub.client("lambda"), hub.client("sts")
    role = functions.get_function_configuration(FunctionName=function_of(hub))["Role"]
    keys = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=hub.described["endpoint_url"],
        region_name=hub.described["region"],
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    tables = {"state": hub.described["state_table"], "inbox": hub.described["inbox_table"]}
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    dynamodb.get_item(TableName=tables["state"], Key=key)
    for refused in (
        lambda: dynamodb.scan(TableName=tables["state"]),
        lambda: dynamodb.delete_item(TableName=tables["state"], Key=key),
        lambda: dynamodb.put_item(TableName=tables["inbox"], Item={"webhook_id": {"S": "x"}}),
    ):
        with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
            refused()
