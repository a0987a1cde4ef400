"""The migration's scenarios under the emulator's interpreter, next to the walker.

The emulator runs alone, with nothing deployed but the definition, a bucket and a function that asks
this test what to say. All executions run at once.
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
    """A server in this process; its port. A line is what a step asks, its execution answers."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            asked = json.loads(self.rfile.readline())
            try:
                said = scripts[asked["migration_id"]](asked)
            except Failed as failure:
                said = {"error": failure.error, "cause": failure.cause}
            self.wfile.write(json.dumps(said).encode())

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
    """The emulator, in which no time passes for waits and retries."""
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
        # hides the real one, which the emulator would import after every failure
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
    """Every scenario's script, its execution as it ended, the states that it visited; by name."""
    states, s3 = emulator.client("stepfunctions"), emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    # without rights: the function needs none, and the machine's are not checked here
    made = emulator.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    role = made["Role"]["Arn"]
    scripts = {scenario.name: on_aws(scenario, s3, BUCKET, states) for scenario in SCENARIOS}
    with answering(scripts) as port:
        function = create_function(emulator.client("lambda"), role, port)
        machine = asl.create(states, deployed(function, BUCKET, token_seconds=1), role)
        running = [asl.start(states, machine, one.name, one.state) for one in SCENARIOS]

        def ended(arn):
            found = states.describe_execution(executionArn=arn)
            return found["status"] != "RUNNING" and found

        found = [eventually(functools.partial(ended, arn), seconds=90) for arn in running]
        return {one["name"]: (scripts[one["name"]], one, asl.visited(states, one)) for one in found}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_emulator_goes_the_same_way_as_the_walker(ran, scenario):
    script, ended, visited = ran[scenario.name]
    assert script.way(ended, visited) == walk(scenario)[0]
