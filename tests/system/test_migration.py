"""Migrations on the deployed stack, in both modes: forth, without a loss, and back."""

import json
import threading
import uuid

import pytest

from tests.support.builders import a_read_completed
from tests.support.sandbox.running import consuming
from tests.support.system.hub import Hub, Silent
from tests.support.system.projection import listening
from tests.support.waiting import eventually
from tools.bench.migration_target import CodatNow, target_of
from tools.cli.api import connected
from tools.cli.failures import Refused
from tools.local.codat import codat_client
from tools.local.emulator import STACK_NAME
from tools.local.migrating import OVER, Operator
from tools.local.stack import LocalStack, Options

PRODUCTS = ["invoice-finance", "cashflow-insights", "lending"]
SECONDS = 300
CONNECTION = {
    "referenceCompany": {"id": "5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10", "name": "Missed Ltd"},
    "connection": {
        "id": "d3c1a6f2-0b7e-4e3a-8a4f-6c2e9b5d7f01",
        "status": "PendingAuth",
        "integrationKey": "gbol",
        "sourceType": "Accounting",
    },
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Deploy a stack of its own, as a migration includes everything that other tests left."""
    stack = LocalStack(tmp_path_factory.mktemp("migrated"), Silent(), Options(companies=8))
    try:
        stack.up()
        yield Hub(stack)
    finally:
        stack.down()


@pytest.fixture(scope="module")
def operator(hub):
    credentials, stack = hub.stack.emulator.credentials(), hub.described
    with (
        connected(stack["api_url"], credentials, stack["region"]) as api,
        codat_client(hub.codat) as codat,
    ):
        yield Operator(api, codat)


@pytest.fixture(scope="module", autouse=True)
def legacy(operator):
    """Create an old consumer of another system that also gets company events."""
    with consuming() as receiver:
        body = {"url": receiver.url, "eventTypes": ["read.completed", "company.created"]}
        operator.codat.post("/webhooks", json=body).raise_for_status()
        yield receiver


@pytest.fixture
def missed(operator):
    """Collect the webhook-ids of events that no consumer or no secret accepts yet."""
    ids = []

    def happen():
        event = {"eventType": "connection.created", "payload": CONNECTION}
        ids.append(operator.portal("/events", **event)["webhookId"])

    operator.in_the_gap = happen
    return ids


def accepted_by(hub):
    """Return the signing secrets that the hub accepts."""
    secret = hub.described["signing_secrets_arn"]
    found = hub.client("secretsmanager").get_secret_value(SecretId=secret)
    return json.loads(found["SecretString"])


@pytest.mark.parametrize("mode", ["portal", "api"])
def test_a_client_is_migrated_loses_nothing_and_is_rolled_back(hub, operator, missed, mode):
    before, accepted = CodatNow.read(operator.codat), accepted_by(hub)
    if mode == "portal":  # a dry run is the same in both modes
        dry = operator.see_through(operator.start(PRODUCTS, mode, dry_run=True), SECONDS)
        assert (dry["status"], CodatNow.read(operator.codat)) == ("planned", before), dry["error"]

    migration = operator.start(PRODUCTS, mode)
    with pytest.raises(Refused) as refused:
        operator.start(PRODUCTS, mode)
    assert refused.value.status == 409
    done = operator.see_through(migration, SECONDS)
    assert done["status"] == "complete", done["error"]

    now = CodatNow.read(operator.codat)
    wanted = dict.fromkeys(before.products, PRODUCTS)
    hub_url = hub.described["webhook_url"].rpartition("/")[0]
    target = target_of(before, migration, wanted, mode, hub_url)
    assert not now.differences(target)
    # the remaining consumers bring product events, so the first reads were seen
    assert "no read of" not in str(done["notes"])

    assert accepted_by(hub) != accepted

    # events of the gap are in the inbox after the Portal's replay
    report = operator.report(migration)
    if mode == "portal":
        assert hub.item(missed[0]) is None
    for consumer in now.consumers.keys() - before.consumers.keys():
        operator.replay_missed(consumer, report["replay_missed"]["from"])
    assert eventually(lambda: all(map(hub.item, missed)), seconds=30)

    operator.rollback(migration)
    back = operator.see_through(migration, SECONDS)
    assert back["status"] == "rolled_back", back["error"]
    restored = CodatNow.read(operator.codat)
    assert not restored.differences(before)
    assert accepted_by(hub) == accepted
    again = restored.consumers.keys() - before.consumers.keys()
    assert len(again) == (0 if mode == "portal" else 2)
    assert all(consumer_id in str(back["notes"]) for consumer_id in again)


class Traffic(threading.Thread):
    """Delivers webhooks one after the other, each until it is accepted, as Codat does."""

    def __init__(self, hub):
        super().__init__()
        self.hub, self.over, self.sent = hub, threading.Event(), {}

    def run(self):
        while not self.over.is_set():
            name, company = f"msg_{len(self.sent)}_{uuid.uuid4()}", str(uuid.uuid4())
            body = a_read_completed(referenceCompany={"id": company, "name": "Meanwhile Ltd"})
            while self.hub.post(body, self.hub.headers(body, name)).status_code != 200:
                self.over.wait(0.5)
            self.sent[name] = (company, body)


def updated(hub, **changes):
    """Deploy the stack again with other parameters."""
    emulator = hub.stack.emulator
    (stack,) = emulator.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    now = {given["ParameterKey"]: given["ParameterValue"] for given in stack["Parameters"]}
    before = emulator.outputs()
    after = emulator.deploy(hub.stack.state / "logs" / "update.log", overrides=now | changes)
    assert after == before


def test_an_update_in_the_middle_of_traffic_and_of_a_run_loses_nothing(hub, operator):
    before, traffic, projection = CodatNow.read(operator.codat), Traffic(hub), listening(hub)
    migration = operator.start(PRODUCTS, "api")
    asked = operator.see_through(migration, SECONDS, until=lambda run: run["waiting_for"])
    operator.answer(asked)
    traffic.start()
    try:
        # other settings of the webhook function, and a new version of the migration's step
        updated(hub, InboxRetentionDays="46", MigrationCallsPerSecond="7")
    finally:
        traffic.over.set()
        traffic.join()
    done = operator.see_through(migration, SECONDS)
    assert done["status"] == "complete", done["error"]
    assert len(traffic.sent) > 10
    for name, (company, body) in traffic.sent.items():
        assert hub.item(name)["body"]["S"] == body.decode()
        (event,) = eventually(lambda company=company: projection.details(company))
        assert event["product"] == "invoice-finance"
    events = [event["event_key"] for event in projection.arrived]
    assert len(events) == len(set(events))
    operator.rollback(migration)
    assert operator.see_through(migration, SECONDS)["status"] == "rolled_back"
    assert not CodatNow.read(operator.codat).differences(before)


def test_an_execution_aborted_by_hand_is_rolled_back_by_the_rule(hub, operator, missed):
    before = CodatNow.read(operator.codat)
    states = hub.client("stepfunctions")
    migration = operator.start(["payables"], "portal")

    def waits_for_the_portal(found):
        assert found["status"] not in OVER, found["error"]
        return found["waiting_for"] == "webhooks_disabled"

    operator.see_through(migration, SECONDS, until=waits_for_the_portal)
    assert CodatNow.read(operator.codat).client != before.client
    arn = hub.described["migration_state_machine_arn"].replace(":stateMachine:", ":execution:")
    states.stop_execution(executionArn=f"{arn}:{migration}", cause="by hand")
    back = operator.see_through(migration, SECONDS)
    assert (back["status"], CodatNow.read(operator.codat)) == ("rolled_back", before)


def test_no_token_secret_or_settings_are_in_the_logs(hub):
    lines = json.dumps(hub.logged(hub.described["migration_logs"]))
    assert '"message": "migration step done"' in lines
    for word in ("whsec_", "syncSchedule", "sandbox-api-key", "token"):
        assert word not in lines


def test_a_step_without_its_permission_fails_as_its_state_expects(hub):
    function = hub.described["migration_logs"].rpartition("/")[2]
    event = {"contract": 1, "step": "complete", "direction": "apply", "migration_id": "m-none"}

    def error():
        answer = hub.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps({**event, "epoch": 1}).encode()
        )
        return json.load(answer["Payload"])["errorType"]

    assert error() == "StepFailed"  # there is no such run
    with hub.stack.emulator.denied(function, "dynamodb:GetItem"):
        assert error() == "Unavailable"
