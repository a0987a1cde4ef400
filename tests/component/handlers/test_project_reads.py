"""The projector as Lambda runs it, on moto: a batch of the stream in, failed records out."""

import importlib
import json
import sys

import boto3
import pytest

from codat_hub.errors import Unavailable
from codat_hub.product_events.domain.product_event import ProductEvent
from codat_hub.product_events.domain.stored_webhook import StoredWebhook
from tests.support.aws import REGION, Context
from tests.support.builders import an_event
from tests.support.histories import a_read, as_webhook, at, entry
from tools.samconfig import ROOT
from tools.simulation.tables import create_table

MODULE = "codat_hub.handlers.project_reads"


@pytest.fixture
def state_table(dynamodb):
    return create_table(dynamodb, "StateTable")


@pytest.fixture
def team(aws):
    """Put a team's queue behind a rule on the bus; return a function that receives its events."""
    events, sqs = (boto3.client(name, region_name=REGION) for name in ("events", "sqs"))
    events.create_event_bus(Name="products")
    queue = sqs.create_queue(QueueName="team")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {"source": ["codat-hub"], "detail": {"product": ["invoice-finance"]}}
    events.put_rule(Name="team", EventBusName="products", EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": arn["QueueArn"]}
    events.put_targets(Rule="team", EventBusName="products", Targets=[target])

    def received():
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return received


@pytest.fixture
def module(state_table, team, monkeypatch):
    monkeypatch.setenv("STATE_TABLE", state_table)
    monkeypatch.setenv("PRODUCT_BUS", "products")
    monkeypatch.setenv("REFRESH_QUEUE_URL", "https://sqs.eu-west-2.amazonaws.com/1/refreshes")
    monkeypatch.setenv("LEASE_SCOPE", "company")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return importlib.import_module(MODULE)


def a_record(webhook, number=1, **attributes):
    image = {
        "webhook_id": {"S": webhook.webhook_id},
        "body": {"S": webhook.body.decode()},
        **{name: {"S": value} for name, value in attributes.items()},
    }
    change = {"NewImage": image, "SequenceNumber": str(number), "StreamViewType": "NEW_IMAGE"}
    return {"eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": change}


def a_batch(*webhooks):
    return {"Records": [a_record(webhook, n) for n, webhook in enumerate(webhooks, 1)]}


def failed(answer):
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_read_reaches_the_teams_queue(module, team):
    answer = module.handler(a_batch(as_webhook(a_read(1))), Context())
    assert failed(answer) == []
    (event,) = team()
    assert (event["source"], event["detail-type"]) == ("codat-hub", "ProductReadCompleted")
    assert event["detail"]["data_types"][0]["full_load"] is True


def test_a_malformed_record_is_parked_and_the_others_are_projected(
    module, dynamodb, state_table, team
):
    malformed = as_webhook(a_read(1, entry("x" * 99)), "msg-malformed")
    answer = module.handler(a_batch(malformed, as_webhook(a_read(2))), Context())
    assert failed(answer) == []
    assert len(team()) == 1
    key = {"pk": {"S": "PARKED"}, "sk": {"S": "msg-malformed"}}
    parked = dynamodb.get_item(TableName=state_table, Key=key)["Item"]
    assert "dataType" in parked["reason"]["S"]


def test_a_record_dated_ahead_hides_no_later_read_and_is_counted(module, team, capsys):
    records = [
        a_record(as_webhook(read), number, received_at=at(number).isoformat())
        for number, read in enumerate([a_read(1, ahead=9000), a_read(2, since=1)], 1)
    ]
    assert failed(module.handler({"Records": records}, Context())) == []
    windows = [event["detail"]["data_types"][0]["modified_from"] for event in team()]
    assert windows == [None, "2026-07-01T01:00:00.000000Z"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counts = [line["webhook_dated_ahead"] for line in lines if "webhook_dated_ahead" in line]
    assert counts == [[1.0]]


@pytest.mark.parametrize("received", ["soon", "2026-07-01T00:00:00", ""])
def test_a_record_whose_reception_cannot_be_read_is_parked_and_the_others_are_projected(
    module, dynamodb, state_table, team, received
):
    records = [
        a_record(as_webhook(a_read(1), "msg-odd"), received_at=received),
        a_record(as_webhook(a_read(2)), 2),
    ]
    assert failed(module.handler({"Records": records}, Context())) == []
    assert len(team()) == 1
    key = {"pk": {"S": "PARKED"}, "sk": {"S": "msg-odd"}}
    assert "received_at" in dynamodb.get_item(TableName=state_table, Key=key)["Item"]["reason"]["S"]


def test_only_failed_records_are_reported_and_nothing_is_lost(module, monkeypatch, team):
    def refuse_the_second(_self, event: ProductEvent) -> None:
        if event.read.webhook_id == "msg-2":
            raise Unavailable("refused")
        publish(_self, event)

    publish = type(module.project.bus).publish
    monkeypatch.setattr(type(module.project.bus), "publish", refuse_the_second)
    batch = a_batch(*(as_webhook(a_read(n, since=n - 1)) for n in (1, 2, 3)))
    assert failed(module.handler(batch, Context())) == ["2"]
    monkeypatch.undo()
    # The stream delivers all records from the first failure on.
    again = {"Records": batch["Records"][1:]}
    assert failed(module.handler(again, Context())) == []
    times = sorted(event["detail"]["occurred_at"] for event in team())
    assert [time[11:13] for time in times] == ["01", "03"]  # 3's window starts where 1's ended


def test_a_batch_of_failures_is_reported_record_by_record(module, monkeypatch):
    def refuse(_self, _event):
        raise Unavailable("refused")

    monkeypatch.setattr(type(module.project.bus), "publish", refuse)
    batch = a_batch(*(as_webhook(a_read(n)) for n in (1, 2)))
    assert failed(module.handler(batch, Context())) == ["1", "2"]


def test_a_quarantined_item_is_not_projected(module, dynamodb, state_table):
    webhook = StoredWebhook("msg", an_event("unknown.event", {}))
    batch = {"Records": [a_record(webhook, quarantine="unknown event type")]}
    assert failed(module.handler(batch, Context())) == []
    assert dynamodb.scan(TableName=state_table)["Count"] == 0


@pytest.mark.parametrize(
    ("webhooks", "counted"),
    [
        ([a_read(1)], {"projected_published": [1.0], "product_unregistered": [1.0]}),
        ([a_read(1), a_read(1)], {"projected_published": [1.0], "projected_repeated": [1.0]}),
        ([a_read(2), a_read(1)], {"projected_superseded": [1.0]}),
        ([a_read(1, entry("x" * 99))], {"projected_parked": [1.0]}),
        ([a_read(1, entry(status="FetchError"))], {"read_failed": [1.0]}),
    ],
)
def test_each_outcome_is_counted_under_its_name(module, capsys, webhooks, counted):
    module.handler(a_batch(*map(as_webhook, webhooks)), Context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for name, value in counted.items():
        assert [line[name] for line in lines if name in line] == [value]


def test_a_failed_type_is_counted_by_type_and_integration(module, capsys):
    failing = a_read(1, entry("payments", status="FetchError"))
    module.handler(a_batch(as_webhook(failing)), Context())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "data_type_failed" in line]
    assert (line["data_type"], line["integration"]) == ("payments", "unknown")
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "CodatHub"
    assert {"data_type", "integration"} <= set(directive["Dimensions"][0])


def test_no_log_line_holds_a_body(module, capsys):
    module.handler(
        a_batch(as_webhook(a_read(1)), as_webhook(a_read(1, entry("x" * 99)))), Context()
    )
    logged = capsys.readouterr().out
    assert "recordsModified" not in logged
    assert "x" * 99 not in logged


def test_the_example_event_is_projected(module, team):
    event = json.loads((ROOT / "events" / "project_reads.json").read_text())
    assert failed(module.handler(event, Context())) == []
    assert len(team()) == 1
