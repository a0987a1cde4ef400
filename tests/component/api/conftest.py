"""The control API as API Gateway calls it: on moto, with the sandbox as Codat."""

import importlib
import json
import sys

import boto3
import pytest

from tests.support.aws import REGION, Context
from tests.support.control_api_handler import CALLER, MODULE
from tests.support.sandbox.running import running
from tools.simulation.tables import create_table

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def codat():
    with running("--companies", "3") as sandbox:
        yield sandbox


@pytest.fixture
def group(aws):
    boto3.client("scheduler", region_name=REGION).create_schedule_group(Name="refreshes")
    return "refreshes"


@pytest.fixture
def refresh_queue(aws):
    return boto3.client("sqs", region_name=REGION).create_queue(QueueName="refreshes")["QueueUrl"]


@pytest.fixture
def bus(aws):
    """The product bus and its archive."""
    events = boto3.client("events", region_name=REGION)
    arn = events.create_event_bus(Name="products")["EventBusArn"]
    archive = events.create_archive(ArchiveName="hub-products", EventSourceArn=arn)
    return {"arn": arn, "archive": archive["ArchiveArn"]}


@pytest.fixture
def module(dynamodb, secretsmanager, group, codat, refresh_queue, bus, monkeypatch):
    key = secretsmanager.create_secret(Name="key", SecretString=codat.ready["api_key"])
    sqs = boto3.client("sqs", region_name=REGION)
    variables = {
        "ENVIRONMENT": "dev",
        "RECONCILE_QUEUE_URL": sqs.create_queue(QueueName="reconciles")["QueueUrl"],
        "REPLAY_QUEUE_URL": sqs.create_queue(QueueName="replays")["QueueUrl"],
        "STATE_TABLE": create_table(dynamodb, "StateTable"),
        "CONSENTS_TABLE": create_table(dynamodb, "ConsentsTable"),
        "CODAT_API_KEY_ARN": key["ARN"],
        "CODAT_BASE_URL": codat.ready["url"],
        "CODAT_CLIENT_ID": codat.ready["client_id"],
        "SEND_PRODUCTS_ON_CREATE": "false",
        "SCHEDULE_GROUP": group,
        "PLANNER_ARN": "arn:aws:lambda:eu-west-2:123456789012:function:planner",
        "SCHEDULER_ROLE_ARN": "arn:aws:iam::123456789012:role/scheduler",
        "SCHEDULE_FAILURES_ARN": "arn:aws:sqs:eu-west-2:123456789012:failures",
        "MIGRATION_STATE_MACHINE_ARN": "arn:aws:states:eu-west-2:123456789012:stateMachine:m",
        "MIGRATION_APPROVER": "anyone",
        "SIGNING_SECRETS_ARN": "arn:aws:secretsmanager:eu-west-2:123456789012:secret:signing",
        "REFRESH_QUEUE_URL": refresh_queue,
        "PRODUCT_BUS_ARN": bus["arn"],
        "PRODUCT_ARCHIVE_ARN": bus["archive"],
        "EVENT_ARCHIVE_DAYS": "30",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return importlib.import_module(MODULE)


class Answered(tuple):
    """A tuple (status, body) that has the headers as an attribute."""

    def __new__(cls, status, body, headers):
        answered = super().__new__(cls, (status, body))
        answered.headers = headers
        return answered


@pytest.fixture
def call(module):
    """Return a function that calls a route and returns status, body and headers."""

    def send(method, path, body=None, query=None, key=None, raw=None):
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key
        event = {
            "httpMethod": method,
            "path": path,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": query and {k: [v] for k, v in query.items()},
            "requestContext": {"requestId": "r", "identity": {"userArn": CALLER}},
            "body": raw if raw is not None else body and json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = module.handler(event, Context())
        parsed = json.loads(answer["body"])
        kind = answer["multiValueHeaders"]["Content-Type"]
        assert kind == [PROBLEM if answer["statusCode"] >= 400 else "application/json"]
        return Answered(answer["statusCode"], parsed, answer["multiValueHeaders"])

    return send


@pytest.fixture
def products(codat):
    """The sandbox's custom products with their data types."""
    known = codat.client.get("/_sandbox/products").json()
    listed = known["products"] if isinstance(known, dict) else known
    return {
        product["identifier"]: product["dataTypes"]
        for product in listed
        if product.get("custom", True)
    }


@pytest.fixture
def registered(call, products):
    names = sorted(products)[:2]
    body = {
        "products": [
            {
                "product": name,
                "kind": "custom",
                "data_types": products[name],
                "schedule": {"expression": "cron(0 23 * * ? *)", "timezone": "Europe/London"},
                "consent_text_version": "2026-01",
            }
            for name in names
        ]
        + [{"product": "lending", "kind": "standard"}]
    }
    status, _ = call("PUT", "/products", body)
    assert status == 200
    return names


@pytest.fixture
def company(call):
    status, body = call("POST", "/companies", {"name": "Harbour Lane Bakery"})
    assert status == 201
    return body["company_id"]
