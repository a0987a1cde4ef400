"""moto's interpreter of state machines: each Lambda a Python callable, no Docker, no sleeping.

It is corrected in one place: a Map whose manifest is missing fails with an error that can be
caught, as on AWS. It is also faster than moto alone, which parses every path again and makes a
client for every manifest.
"""

import contextlib
import functools
import json
import logging
import types
from unittest import mock

import boto3
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import (
    resource_eval_s3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path

from tests.support.aws import REGION
from tests.support.migration.asl_walker import Failed
from tests.support.waiting import eventually

ROLE = "arn:aws:iam::123456789012:role/machine"
FUNCTION = f"arn:aws:lambda:{REGION}:123456789012:function:step"
parsed = functools.cache(AmazonStateLanguageParser.parse)
parsed_path = functools.cache(json_path.parse)


@contextlib.contextmanager
def interpreter(invoke, pauses):
    """invoke(payload) -> answer, or raises Failed; `pauses` gets every wait and back-off."""

    def call(parameters, region, state_credentials):
        payload = json.loads(parameters.get("Payload") or b"{}")
        try:
            answer, extra = invoke(payload), {}
        except Failed as failure:
            answer = {"errorType": failure.error, "errorMessage": failure.cause}
            extra = {"FunctionError": "Unhandled"}
        return {"StatusCode": 200, "ExecutedVersion": "1", "Payload": answer, **extra}

    def wait(self, env, wait_seconds):
        pauses.append(("wait", wait_seconds))

    clock = types.SimpleNamespace(sleep=lambda seconds: pauses.append(("retry", seconds)))

    def read(env, resource, credentials):
        try:
            content = s3.get_object(**env.stack.pop())["Body"].read().decode()
        except s3.exceptions.NoSuchKey:
            content = "null"  # no list: moto's own reader refuses it with AWS's error
        env.stack.append(content)

    logging.getLogger("moto").setLevel(logging.CRITICAL)
    with (
        mock_aws(config={"stepfunctions": {"execute_state_machine": True}}),
        mock.patch.object(lambda_eval_utils, "_invoke_lambda_function", call),
        mock.patch.object(retrier_decl, "time", clock),
        mock.patch.object(WaitFunction, "_wait_interval", wait),
        mock.patch.object(AmazonStateLanguageParser, "parse", parsed),
        mock.patch.object(json_path, "parse", parsed_path),
        mock.patch.object(
            resource_eval_s3.ResourceEvalS3, "_handle_get_object", staticmethod(read)
        ),
    ):
        s3 = boto3.client("s3", region_name=REGION)
        yield boto3.client("stepfunctions", region_name=REGION)


def create(client, definition, role=ROLE):
    answer = client.create_state_machine(
        name="migration", definition=json.dumps(definition), roleArn=role
    )
    return answer["stateMachineArn"]


def start(client, machine, name, state):
    """Return the ARN of a new execution."""
    answer = client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(state))
    return answer["executionArn"]


def run(client, machine, name, state, seconds=30):
    """Run an execution to its end and return its description."""
    arn = start(client, machine, name, state)

    def ended():
        found = client.describe_execution(executionArn=arn)
        return found["status"] != "RUNNING" and found

    return eventually(ended, seconds, poll=0.005)


def visited(client, execution):
    """Return the names of the states that were entered, inside Maps too."""
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=execution["executionArn"]
    )
    details = (event.get("stateEnteredEventDetails") for page in pages for event in page["events"])
    return [one["name"] for one in details if one]
