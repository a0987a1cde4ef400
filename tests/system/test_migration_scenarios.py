"""The emulator's interpreter runs the migration's scenarios as the walker does.

The emulator runs alone. Only the definition, a bucket and a function are deployed; the function
asks this test for its answers. All executions run at once.
"""

import contextlib
import functools
import io
import json
import socketserver
import threading
import zipfile

import httpx
import pytest

from tests.support.migration import asl
from tests.support.migration.asl_walker import Failed
from tests.support.migration.scenarios import SCENARIOS
from tests.support.migration.script import on_aws, walk
from tests.support.migration.world import deployed
from tests.support.waiting import eventually
from tools.local.emulator import REGION, Emulator

BUCKET = "manifests"
FUNCTION = """
import json
import os
import socket


def handler(event, context):
    with socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))) as asked:
        asked.sendall(json.dumps(event).encode() + b"\\n")
        said = json.load(asked.makefile())
    if "error" in said:
        raise type(said["error"], (Exception,), {})(said["cause"])
    return said
"""


@contextlib.contextmanager
def answering(scripts):
    """Serve the function's questions, a line of JSON each, in this process; yield the port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            asked = json.loads(self.rfile.readline())
            try:
                reply = scripts[asked["migration_id"]](asked)
            except Failed as failure:
                reply = {"error": failure.error, "cause": failure.cause}
            self.wfile.write(json.dumps(reply).encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """Start an emulator in which waits and retries take no time."""
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    try:
        emulator.start()
        config = {"stepfunctions._SFN_WAIT_SCALE": 0}
        answer = httpx.post(f"{emulator.url}/_ministack/config", json=config)
        assert answer.json()["applied"] == config
        yield emulator
    finally:
        emulator.stop()


def create_function(functions, role, port):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", FUNCTION)
        # hides the real module, which the emulator would import after every failure
        archive.writestr("botocore.py", "")
    return functions.create_function(
        FunctionName="step",
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": packed.getvalue()},
        Timeout=30,
        Environment={"Variables": {"PORT": str(port)}},
    )["FunctionArn"]


@pytest.fixture(scope="module")
def ran(emulator):
    """Return by scenario its script, its ended execution and the states that it visited."""
    states, s3 = emulator.client("stepfunctions"), emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    # a role without rights: the function needs none, and the machine's are not checked here
    made = emulator.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    role = made["Role"]["Arn"]
    scripts = {scenario.name: on_aws(scenario, s3, BUCKET, states) for scenario in SCENARIOS}
    with answering(scripts) as port:
        function = create_function(emulator.client("lambda"), role, port)
        machine = asl.create(states, deployed(function, BUCKET, token_seconds=1), role)
        running = [
            asl.start(states, machine, scenario.name, scenario.state) for scenario in SCENARIOS
        ]

        def ended(arn):
            found = states.describe_execution(executionArn=arn)
            return found["status"] != "RUNNING" and found

        found = [eventually(functools.partial(ended, arn), seconds=90) for arn in running]
        return {
            execution["name"]: (
                scripts[execution["name"]],
                execution,
                asl.visited(states, execution),
            )
            for execution in found
        }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_emulator_visits_the_same_states_as_the_walker(ran, scenario):
    script, ended, visited = ran[scenario.name]
    assert script.way(ended, visited) == walk(scenario)[0]
