"""Component tests run handlers and adapters on moto, with tables from template.yaml."""

import boto3
import pytest
from moto import mock_aws

from tests.support.aws import REGION
from tools.simulation.tables import create_table


@pytest.fixture
def aws():
    """Replace AWS by an empty account in memory."""
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
