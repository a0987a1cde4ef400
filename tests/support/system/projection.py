"""The deployed projection as a test sees it: webhooks in, product events out."""

import json
import os
import signal
import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import boto3
import pytest

from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.domain.read_event import ReadEvent
from codat_hub.storage.state_table import StateTable
from tests.support.histories import PRODUCT, as_webhook
from tests.support.waiting import eventually

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds processes in /proc")


def of(event, company):
    """Return the event for this company, with ids that no other company has."""
    event = replace(event, company_id=company)
    if isinstance(event, ReadEvent):
        return replace(event, event_id=f"{event.event_id}-{company}")
    return event


@dataclass(frozen=True)
class Projection:
    """The projection; `details` are the events in a queue that gets everything from the bus."""

    hub: object
    table: StateTable
    queue: str
    arrived: list = field(default_factory=list, repr=False)

    def send(self, event, company, webhook_id=None):
        """Deliver an event for one company; return its webhook-id."""
        webhook = as_webhook(of(event, company))
        webhook_id = webhook_id or f"{webhook.webhook_id}-{uuid.uuid4()}"
        headers = self.hub.headers(webhook.body, webhook_id)
        assert self.hub.post(webhook.body, headers).status_code == 200
        return webhook_id

    def projected(self, *webhook_ids):
        """Wait until the function has logged the outcome of these webhooks."""

        def reported():
            outcomes = {
                line["webhook_id"]: line["outcome"]
                for line in self.logged()
                if line.get("message") == "webhook projected"
            }
            return set(webhook_ids) <= set(outcomes) and [
                outcomes[webhook_id] for webhook_id in webhook_ids
            ]

        return eventually(reported, seconds=60)

    def logged(self):
        return self.hub.logged(self.hub.described["project_reads_logs"])

    def tried_in_vain(self, webhook_id):
        """Return the log lines about retries of the webhook."""
        return [
            line
            for line in self.logged()
            if line.get("message") == "webhook not projected yet"
            and line["webhook_id"] == webhook_id
        ]

    def details(self, company):
        """Return the company's product events so far, each event key once."""
        sqs = self.hub.client("sqs")
        for _ in range(50):  # while writes are denied, each try publishes again
            answer = sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                self.arrived.append(json.loads(message["Body"])["detail"])
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            if "Messages" not in answer:
                break
        ours = {
            detail["event_key"]: detail
            for detail in self.arrived
            if detail["company_id"] == company
        }
        return list(ours.values())

    def state(self, company, product=PRODUCT):
        return ReadStateStore(self.table).get(company, product)

    def given_up(self):
        """Return how many records the stream gave up."""
        url = self.hub.described["project_reads_given_up"]
        names = ["ApproximateNumberOfMessages"]
        answer = self.hub.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def listening(hub):
    """Return the projection, with a queue that gets every event of the bus."""
    events, sqs = hub.client("events"), hub.client("sqs")
    queue = sqs.create_queue(QueueName="every-team")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    bus = hub.described["event_bus"]
    pattern = json.dumps({"source": ["codat-hub"], "detail-type": ["ProductReadCompleted"]})
    events.put_rule(Name="everything", EventBusName=bus, EventPattern=pattern)
    targets = [{"Id": "queue", "Arn": arn["QueueArn"]}]
    events.put_targets(Rule="everything", EventBusName=bus, Targets=targets)
    table = StateTable(hub.client("dynamodb"), hub.described["state_table"])
    return Projection(hub, table, queue)


def windows(details, data_type, connection="a"):
    """Return (from, until) of the Complete entries of one key, oldest first."""
    return sorted(
        (
            (entry["modified_from"] and datetime.fromisoformat(entry["modified_from"]),
             datetime.fromisoformat(detail["occurred_at"]))
            for detail in details
            for entry in detail["data_types"]
            if (entry["data_type"], entry["connection_id"]) == (data_type, connection)
            and entry["status"] == "Complete"
        ),
        key=lambda window: window[1],
    )  # fmt: skip


def covered_until(details, data_type, connection="a"):
    """Join the windows of a key; fail at a gap."""
    until = None
    for start, end in windows(details, data_type, connection):
        assert start is None or (until is not None and start <= until)
        until = end
    return until


def function_of(log_group):
    return log_group.rpartition("/")[2]


def client_as(hub, function_name, service):
    """Return a client with the credentials of a function's role."""
    functions, sts = hub.client("lambda"), hub.client("sts")
    role = functions.get_function_configuration(FunctionName=function_name)["Role"]
    keys = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return boto3.client(
        service,
        endpoint_url=hub.described["endpoint_url"],
        region_name=hub.described["region"],
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def kill_workers(hub, function_name):
    """Kill the emulator's processes of one function, as a crash would; return how many."""
    emulator, killed = hub.stack.emulator.process.pid(), 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            named = f"AWS_LAMBDA_FUNCTION_NAME={function_name}".encode()
            ours = parent == emulator and named in (process / "environ").read_bytes().split(b"\0")
            if ours:
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue  # it ended meanwhile
        killed += ours
    return killed
