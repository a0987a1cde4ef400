"""The local stack enforces permissions and source addresses."""

import copy
import http.client
import json
from urllib.parse import urlsplit

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

from tests.support.builders import SECRET, a_read_completed, signed_headers
from tests.support.waiting import eventually
from tools.build import build_dir
from tools.samconfig import ROOT
from tools.template import FUNCTIONS, RESOURCES

BODY = a_read_completed()


@pytest.fixture(scope="module")
def variant(hub, tmp_path_factory):
    """Deploy a second stack without dynamodb:PutItem, open to calls from 127.0.0.2 only."""
    folder = tmp_path_factory.mktemp("variant")
    template = folder / "template.yaml"
    built = yaml_parse((build_dir("local") / "template.yaml").read_text())
    template.write_text(yaml.safe_dump(json.loads(json.dumps(without_put_item(built)))))
    emulator = hub.stack.emulator
    outputs = emulator.deploy(
        folder / "deploy.log",
        stack_name="codat-hub-variant",
        template=template,
        overrides={"WebhookSourceRanges": "127.0.0.2/32"},
    )
    hub.client("secretsmanager").put_secret_value(
        SecretId=outputs["SigningSecretsArn"], SecretString=json.dumps({"lending": [SECRET]})
    )
    yield outputs
    hub.client("cloudformation").delete_stack(StackName="codat-hub-variant")


def without_put_item(template):
    changed = copy.deepcopy(template)
    function = changed["Resources"]["ReceiveWebhookFunction"]["Properties"]
    for each in FUNCTIONS:
        body = changed["Resources"][each.logical_id]["Properties"]
        body["CodeUri"] = str(build_dir("local") / each.logical_id)
    machine = changed["Resources"]["MigrationStateMachine"]["Properties"]
    machine["DefinitionUri"] = str(
        ROOT / RESOURCES["MigrationStateMachine"]["Properties"]["DefinitionUri"]
    )
    layer = changed["Resources"]["Dependencies"]["Properties"]
    layer["ContentUri"] = str(build_dir("local") / "Dependencies")
    _, policy = function["Policies"]
    kept = [s for s in policy["Statement"] if s["Action"] != "dynamodb:PutItem"]
    assert len(kept) == len(policy["Statement"]) - 1
    policy["Statement"] = kept
    return changed


def deliver(hub, outputs, source):
    """POST a genuine webhook from one loopback address; return the status and the message."""
    parts = urlsplit(hub.described["endpoint_url"])
    path = f"/_aws/execute-api/{outputs['WebhooksApiId']}/local/webhooks/codat/lending"
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port, timeout=30, source_address=(source, 0)
    )
    connection.request("POST", path, BODY, signed_headers(BODY, "msg_variant"))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())["message"]


def test_an_address_that_is_not_listed_never_reaches_the_function(hub, variant):
    assert deliver(hub, variant, "127.0.0.1") == (403, "Refused")


def test_without_put_item_a_genuine_webhook_is_denied_and_codat_told_to_retry(hub, variant):
    assert deliver(hub, variant, "127.0.0.2") == (503, "Service Unavailable")
    causes = eventually(
        lambda: [
            line["cause"]
            for line in hub.logged(variant["ReceiveWebhookLogs"])
            if line.get("message") == "webhook not stored"
        ]
    )
    assert "AccessDenied" in causes[-1]
    assert "dynamodb:PutItem" in causes[-1]
    table = variant["InboxTable"]
    assert hub.client("dynamodb").scan(TableName=table)["Count"] == 0
