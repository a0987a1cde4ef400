"""A migration on the deployed stack, in portal mode: there, with nothing lost, and back again."""

import json

import pytest

from tests.component.sandbox.running import consuming
from tests.system.conftest import Hub, Silent
from tests.system.control_api import ControlApi
from tests.waiting import eventually
from tools.local.codat import codat_client
from tools.local.stack import LocalStack, Options

PRODUCTS = ["invoice-finance", "cashflow-insights", "lending"]
OVER = {"complete", "rolled_back", "rollback_incomplete", "failed", "planned"}


class Operator:
    """Does what the instructions say, in the sandbox's Portal and over the control API."""

    def __init__(self, hub):
        self.api = ControlApi(hub.described["api_url"], hub.described["region"])
        self.codat_at = hub.codat
        self.asked = []

    def call(self, method, path, body=None, expected=(200, 202)):
        status, said = self.api.call(method, path, body)
        assert status in expected, said
        return said

    def portal(self, path, **body):
        with codat_client(self.codat_at) as codat:
            answer = codat.post(f"/_sandbox{path}", json=body)
            assert answer.is_success, answer.text
            return answer.json()

    def see_through(self, migration):
        """Answer every wait until it is over; return the last state."""

        def look():
            found = self.call("GET", f"/migrations/{migration}")
            waiting = found["waiting_for"]
            if waiting and found["waiting_since"] not in self.asked:
                self.asked.append(found["waiting_since"])
                self.act(migration, waiting, found["instructions"])
            return found["status"] in OVER and found

        return eventually(look, seconds=150)

    def act(self, migration, waiting, instructions):
        ids = [line.split()[0] for line in instructions if "http" in line]
        match waiting:
            case "approval":
                self.call("POST", f"/migrations/{migration}/approve")
            case "webhooks_disabled":
                for one in ids:
                    self.portal(f"/webhooks/{one}/disable")
                # while nobody listens, something happens that nobody may miss
                self.missed = self.portal(
                    "/events", eventType="connection.created", payload=CONNECTION
                )
                self.call("POST", f"/migrations/{migration}/confirm-webhooks-disabled")
            case "signing_secret":
                for one in ids:
                    with codat_client(self.codat_at) as codat:
                        secret = codat.get(f"/_sandbox/webhooks/{one}/secret").json()["secrets"][0]
                    body = {"consumer_id": one, "secret": secret}
                    self.call("POST", f"/migrations/{migration}/confirm-secret", body)
            case "webhooks_restored":
                for one in ids:
                    self.portal(f"/webhooks/{one}/enable")
                self.call("POST", f"/migrations/{migration}/confirm-webhooks-restored")

    def codat_now(self):
        """Settings, consumers and products, as a rollback has to restore them."""
        with codat_client(self.codat_at) as codat:
            companies = codat.get("/companies?pageSize=500").json()["results"]
            overrides = {
                one["id"]: codat.get(f"/companies/{one['id']}/syncSettings").json()
                for one in companies
            }
            return {
                "client": codat.get("/profile/syncSettings").json(),
                "overrides": overrides,
                "consumers": sorted(
                    json.dumps(c) for c in codat.get("/webhooks").json()["results"]
                ),
                "products": {one["id"]: sorted(one["products"]) for one in companies},
            }


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
    """A stack of its own: a migration takes in everything that other tests left behind."""
    stack = LocalStack(tmp_path_factory.mktemp("migrated"), Silent(), Options())
    try:
        stack.up()
        yield Hub(stack)
    finally:
        stack.down()


@pytest.fixture(scope="module")
def operator(hub):
    return Operator(hub)


@pytest.fixture(scope="module")
def legacy(operator):
    """A consumer of another system, from before: it also carries company events."""
    with consuming() as receiver, codat_client(operator.codat_at) as codat:
        body = {"url": receiver.url, "eventTypes": ["read.completed", "company.created"]}
        made = codat.post("/webhooks", json=body).json()
        yield made
        codat.delete(f"/webhooks/{made['id']}")


def test_a_client_is_migrated_in_portal_mode_loses_nothing_and_is_rolled_back(
    hub, operator, legacy
):
    before = operator.codat_now()
    asked = {"products": PRODUCTS, "webhooks": "portal"}
    dry = operator.call("POST", "/migrations", {**asked, "dry_run": True})["migration_id"]
    planned = operator.see_through(dry)
    assert (planned["status"], operator.codat_now()) == ("planned", before), planned["error"]

    migration = operator.call("POST", "/migrations", asked)["migration_id"]
    operator.call("POST", "/migrations", asked, expected=(409,))
    done = operator.see_through(migration)
    assert done["status"] == "complete", done["error"]

    now = operator.codat_now()
    assert {one["syncSchedule"] for one in now["client"]["settings"]} == {0}
    assert all(set(PRODUCTS) <= set(products) for products in now["products"].values())
    consumers = [json.loads(one) for one in now["consumers"]]
    old = {json.loads(one)["id"] for one in before["consumers"]}
    created = [one for one in consumers if one["id"] not in old]
    assert {one["id"] for one in consumers} == old | {one["id"] for one in created}
    assert all(migration in one["url"] for one in created)
    assert [one["disabled"] for one in consumers if one["id"] == legacy["id"]] == [True]

    # product events come in by the consumers that are left: the first reads were seen
    assert "no read of" not in str(done["notes"])

    # what happened in the gap is in the inbox once the Portal has replayed it
    report = operator.call("GET", f"/migrations/{migration}/report")
    (successor,) = [one for one in created if "/platform?" in one["url"]]
    missed = operator.missed["webhookId"]
    assert hub.item(missed) is None
    operator.portal(f"/webhooks/{successor['id']}/replay", since=report["replay_missed"]["from"])
    assert eventually(lambda: hub.item(missed), seconds=30)

    operator.call("POST", f"/migrations/{migration}/rollback")
    back = operator.see_through(migration)
    assert back["status"] == "rolled_back", back["error"]
    assert operator.codat_now() == before


def test_an_execution_aborted_by_hand_is_rolled_back_by_the_rule(hub, operator):
    before = operator.codat_now()
    states = hub.client("stepfunctions")
    asked = {"products": ["payables"], "webhooks": "portal"}
    migration = operator.call("POST", "/migrations", asked)["migration_id"]

    def waits_for_the_portal():
        found = operator.call("GET", f"/migrations/{migration}")
        if found["waiting_for"] == "approval" and found["waiting_since"] not in operator.asked:
            operator.asked.append(found["waiting_since"])
            operator.call("POST", f"/migrations/{migration}/approve")
        assert found["status"] not in OVER, found["error"]
        return found["waiting_for"] == "webhooks_disabled"

    eventually(waits_for_the_portal, seconds=60)
    assert operator.codat_now()["client"] != before["client"]
    arn = hub.described["migration_state_machine_arn"].replace(":stateMachine:", ":execution:")
    states.stop_execution(executionArn=f"{arn}:{migration}", cause="by hand")
    back = operator.see_through(migration)
    assert (back["status"], operator.codat_now()) == ("rolled_back", before)


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

    assert error() == "LookupError"
    with hub.stack.emulator.denied(function, "dynamodb:GetItem"):
        assert error() == "Unavailable"
