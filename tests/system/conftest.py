"""System tests share one local stack: the real template, deployed, with IAM enforcement on."""

import json
import uuid

import pytest

from codat_hub.storage.state_table import StateTable
from tests.support.system.hub import Hub, Silent
from tests.support.system.projection import Projection
from tools.local.stack import LocalStack, Options


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory):
    stack = LocalStack(tmp_path_factory.mktemp("hub"), Silent(), Options())
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def hub(local_stack):
    return Hub(local_stack)


@pytest.fixture(scope="session")
def projection(hub):
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


@pytest.fixture
def company():
    return str(uuid.uuid4())
