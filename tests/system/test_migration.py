"""Migrations on the deployed stack, in both modes: forth, without a loss, and back."""

import json

import pytest

from tests.support.sandbox.running import consuming
from tests.support.system.hub import Hub, Silent
from tests.support.waiting import eventually
from tools.bench.migration_target import CodatNow, target_of
from tools.cli.api import connected
from tools.cli.failures import Refused
from tools.local.codat import codat_client
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
