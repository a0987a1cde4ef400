"""The handler as Lambda runs it: queue messages in, the messages to bring again out."""

import importlib
import json
import sys
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from codat_hub.codat.adapters import transport
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.rate_limiting.adapters.rate_limiter_store import RateLimiterStore
from codat_hub.rate_limiting.domain.rate_limiter import RECONCILE
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from codat_hub.storage.items import ItemKey
from codat_hub.storage.state_table import StateTable
from tests.support.aws import REGION
from tools.samconfig import ROOT
from tools.simulation.reconciling import API, KEY, PRODUCTS, Codats
from tools.simulation.tables import create_table

MODULE = "codat_hub.handlers.reconcile"
EXAMPLE = json.loads((ROOT / "events/reconcile.json").read_text())


class Context:
    function_name = "reconcile"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-west-2:123456789012:function:reconcile"
    aws_request_id = "request"

    def __init__(self, *seconds_left):
        self.left = list(seconds_left)

    def get_remaining_time_in_millis(self):
        return (self.left.pop(0) if len(self.left) > 1 else self.left[0]) * 1000


@pytest.fixture
def codat():
    return Codats(companies=20)


@pytest.fixture
def table(dynamodb):
    made = StateTable(dynamodb, create_table(dynamodb, "StateTable"))
    assert ProductStore(made).replace(PRODUCTS, 0)
    return made


@pytest.fixture
def module(table, dynamodb, codat, monkeypatch):
    secrets = boto3.client("secretsmanager", region_name=REGION)
    key = secrets.create_secret(Name="key", SecretString=KEY)["ARN"]
    signing = secrets.create_secret(Name="signing", SecretString="{}")["ARN"]
    variables = {
        "STATE_TABLE": "StateTable",
        "CONSENTS_TABLE": create_table(dynamodb, "ConsentsTable"),
        "CODAT_API_KEY_ARN": key,
        "CODAT_BASE_URL": "http://127.0.0.1",
        "CODAT_CLIENT_ID": codat.client_id,
        "SIGNING_SECRETS_ARN": signing,
        "WEBHOOKS_URL": f"https://{API}.example/webhooks/codat",
        "WEBHOOKS_API_ID": API,
        "MIGRATION_STATE_MACHINE_ARN": "arn:aws:states:eu-west-2:123456789012:stateMachine:m",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(transport, "new_http", lambda: codat.http)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    loaded = importlib.import_module(MODULE)
    sent_by = loaded._client._transport
    monkeypatch.setattr(sent_by, "_admit", replace(sent_by._admit, sleep=lambda _: None))
    return loaded


def runs(table):
    return ReconcileRunStore(table).latest()


def emitted(capsys):
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[:1] == "{"]
    found = {}
    for line in lines:
        for metric in line.get("_aws", {}).get("CloudWatchMetrics", []):
            kind = line.get("kind")
            for declared in metric["Metrics"]:
                name = declared["Name"]
                value = line[name]
                found[name, kind] = value[0] if isinstance(value, list) else value
    return found


def test_the_nightly_message_starts_a_run_and_finishes_it(module, table, capsys):
    answer = module.handler(EXAMPLE, Context(300))

    assert answer == {"batchItemFailures": []}
    (run,) = runs(table)
    assert (run.status, run.requested_by) == (ReconcileStatus.COMPLETE, "schedule")
    assert run.counts["companies"] == 20
    assert RateLimiterStore(table).get()[0].reservations.keys() == {RECONCILE}
    metrics = emitted(capsys)
    assert metrics["reconcile_complete", None] == 1
    assert metrics["reconcile_unsafe", None] == run.unsafe > 0
    assert metrics["drift", "company_unknown"] == 20
    assert metrics["reconcile_codat_calls", None] == run.counts["codat_calls"]
    assert metrics["reconcile_duration", None] >= 0


def test_the_same_nightly_message_starts_no_second_run(module, table):
    for _ in range(2):
        assert module.handler(EXAMPLE, Context(300)) == {"batchItemFailures": []}
    assert len(runs(table)) == 1


def test_a_run_that_runs_out_of_time_keeps_its_message(module, table):
    first = module.handler(EXAMPLE, Context(300, 300, 80))
    assert first["batchItemFailures"] == [{"itemIdentifier": EXAMPLE["Records"][0]["messageId"]}]
    (run,) = runs(table)
    assert (run.status, run.lease_until) == (ReconcileStatus.RUNNING, None)
    assert module.handler(EXAMPLE, Context(300)) == {"batchItemFailures": []}
    assert [run.status for run in runs(table)] == [ReconcileStatus.COMPLETE]


def test_an_unreadable_rate_limiter_is_replaced_and_the_run_waits_a_minute(module, table):
    table.put(ItemKey("CODAT", "GATE"), {"calls": "many"}, 0)
    assert module.handler(EXAMPLE, Context(300))["batchItemFailures"]
    (run,) = runs(table)
    assert (run.status, run.failures) == (ReconcileStatus.RUNNING, 0)
    limiter, _ = RateLimiterStore(table).get()
    assert limiter.full_until(RECONCILE, run.waiting_until) is None


def test_a_requested_run_is_found_by_its_id(module, table):
    run = module.begin("arn:aws:iam::1:user/ann")
    record = {**EXAMPLE["Records"][0], "body": json.dumps({"reconcile_id": run.reconcile_id})}
    assert module.handler({"Records": [record]}, Context(300)) == {"batchItemFailures": []}
    assert [run.requested_by for run in runs(table)] == ["arn:aws:iam::1:user/ann"]


def test_a_failed_run_is_counted_for_the_alarm_and_not_tried_again(module, table, codat, capsys):
    codat.portal("faults", path="/webhooks$", status=403)
    assert module.handler(EXAMPLE, Context(300)) == {"batchItemFailures": []}
    assert [run.status for run in runs(table)] == [ReconcileStatus.FAILED]
    assert emitted(capsys)["reconcile_failed", None] == 1


def test_an_outage_of_the_state_table_keeps_the_message(module, table, monkeypatch):
    with mock_aws():  # another account, without the table
        monkeypatch.setattr(table, "_name", "gone")
        monkeypatch.setattr(module._table, "_name", "gone")
        answer = module.handler(EXAMPLE, Context(300))
    assert len(answer["batchItemFailures"]) == 1
