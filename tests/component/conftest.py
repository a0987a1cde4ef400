"""Component tests run handlers and adapters on moto; tables are made from template.yaml."""

from dataclasses import dataclass

import boto3
import pytest
from moto import mock_aws

from tests.conftest import REGION
from tests.template import RESOURCES


@dataclass
class Context:
    """What Lambda tells a handler about its invocation."""

    function_name: str = "receive-webhook"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-2:000000000000:function:receive-webhook"
    aws_request_id: str = "request-1"


@pytest.fixture
def aws():
    """An empty account in memory."""
    with mock_aws():
        yield


@pytest.fixture
def dynamodb(aws):
    return boto3.client("dynamodb", region_name=REGION)


@pytest.fixture
def secretsmanager(aws):
    return boto3.client("secretsmanager", region_name=REGION)


@pytest.fixture
def inbox_table(dynamodb):
    return create_table(dynamodb, "InboxTable")


def create_table(dynamodb, logical_id: str) -> str:
    """Create a table with the keys, indexes and stream that the template gives it."""
    properties = RESOURCES[logical_id]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    request = {name: properties[name] for name in names if name in properties}
    if stream := properties.get("StreamSpecification"):
        request["StreamSpecification"] = {"StreamEnabled": True, **stream}
    dynamodb.create_table(TableName=logical_id, **request)
    return logical_id
