"""Each command of `tools/hub` under each policy: what it needs is allowed, all else is denied."""

import base64
import json
import uuid

import boto3
import pytest
import yaml
from typer.testing import CliRunner

from tests.support.system.control_api import as_role
from tools.cli import environments
from tools.cli.__main__ import app
from tools.cli.terminal import watching
from tools.local.emulator import STACK_NAME
from tools.samconfig import ROOT, Deployment

READER, OPERATOR, APPROVER, KEEPER = (
    "ControlApiReader",
    "ControlApiOperator",
    "ControlApiApprover",
    "SecretsKeeper",
)
# Who may change comes last, so that all others are denied while there is something to change.
POLICIES = (None, READER, KEEPER, APPROVER, OPERATOR)
READING = {READER, OPERATOR, APPROVER}
NOBODY = str(uuid.UUID(int=7))  # no company, run or consumer has this id
SECRET, OTHER = (f"whsec_{base64.b64encode(bytes([n]) * 24).decode()}" for n in (1, 2))
PROBE = "policy-probe"
DENIED = ("may not do this", "AccessDenied", "not authorized")
# The words of a command, and the policies under which it works. Most are refused afterwards by the
# hub, for what they name does not exist.
COMMANDS = [
    ("status", READING),
    ("freshness", READING),
    ("products list", READING),
    ("products show lending", READING),
    ("products diff", READING),
    ("products apply {file} --yes", {OPERATOR}),
    (f"products remove {PROBE} --yes", {OPERATOR}),
    ("companies list", READING),
    ("companies show {company}", READING),
    ("companies create Policies", {OPERATOR}),
    (f"companies add-product {NOBODY} lending", {OPERATOR}),
    (f"companies remove-product {NOBODY} lending --yes", {OPERATOR}),
    ("consents list {company}", READING),
    (f"consents grant {NOBODY} lending --by ann", {OPERATOR}),
    (f"consents revoke {NOBODY} lending --reason asked --yes", {OPERATOR}),
    (f"refresh company {NOBODY} invoice-finance", {OPERATOR}),
    ("refresh product lending --yes", {OPERATOR}),
    (f"refresh show {NOBODY} invoice-finance", READING),
    (f"refresh cancel {NOBODY} invoice-finance --yes", {OPERATOR}),
    ("replay start --from 2020-01-01T00:00:00Z --to 2020-01-01T00:00:01Z", {OPERATOR}),
    (f"replay show {NOBODY}", READING),
    ("events resend --rule no-such-rule --from 2h --to 1h --yes --no-watch", {OPERATOR}),
    (f"events show {NOBODY}", READING),
    (f"events cancel {NOBODY} --yes", {OPERATOR}),
    ("events tail", {OPERATOR}),
    (f"events full-load --product lending --company {NOBODY} --yes", {OPERATOR}),
    (f"reconcile start --confirm-gone {NOBODY}", {OPERATOR}),
    ("reconcile list", READING),
    ("reconcile show", READING),
    ("migrations plan --product {product} --company {company}", {OPERATOR}),
    ("migrations start --product no-such-product --no-watch", {OPERATOR}),
    ("migrations list", READING),
    ("migrations watch {planned}", READING),
    ("migrations report {planned}", READING),
    ("migrations approve {planned} --yes", {APPROVER}),
    ("migrations confirm-webhooks-disabled {planned}", {OPERATOR}),
    ("migrations confirm-webhooks-restored {planned}", {OPERATOR}),
    (f"migrations confirm-secret {{planned}} {NOBODY} < secret", {OPERATOR}),
    ("migrations rollback {planned} --yes --no-watch", {OPERATOR}),
    (f"migrations settle {{planned}} {NOBODY} --reason gone --yes", {APPROVER}),
    ("secrets list", {KEEPER}),
    ("secrets add policies < secret", {KEEPER}),
    ("secrets rotate policies < other", {KEEPER}),
    ("secrets remove policies deadbeef --yes", {KEEPER}),
    ("secrets retire policies --yes", {KEEPER}),
    ("secrets set-api-key --yes < key", {KEEPER}),
]


def interrupt(_seconds):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def run(hub):
    """Return a function that runs a command under a policy, as on AWS: by the stack's outputs."""
    outputs = hub.stack.emulator.outputs()
    region, endpoint = hub.described["region"], hub.described["endpoint_url"]
    sessions = {}
    for policy in POLICIES:
        keys = as_role(hub, policy or "nobody", outputs[policy] if policy else None)
        sessions[policy] = boto3.Session(keys.access_key, keys.secret_key, keys.token)

    def act(policy, words, stdin=""):
        with pytest.MonkeyPatch.context() as patch:
            stack = Deployment(region, STACK_NAME, {})
            patch.setattr(environments, "deployment", lambda _name: stack)
            patch.setattr(environments, "_session", lambda _name: sessions[policy])
            patch.setenv("AWS_ENDPOINT_URL", endpoint)
            if words[:2] == ["events", "tail"]:  # a person stops it
                patch.setattr(watching, "pause", interrupt)
            answer = CliRunner().invoke(app, words, input=stdin, env={"HUB_ENV": "dev"})
        assert answer.exit_code in {0, 1}, answer.output
        return answer

    return act


@pytest.fixture(scope="module")
def named(hub, run, tmp_path_factory):
    """Return what the commands name: a company, a product, a migration that was only planned."""
    file = tmp_path_factory.mktemp("products") / "products.yaml"
    content = yaml.safe_load((ROOT / "products.yaml").read_text())
    content["products"][PROBE] = {"kind": "standard", "data_types": ["invoices"]}
    file.write_text(yaml.safe_dump(content))
    companies = json.loads(run(READER, ["companies", "list", "--json"]).stdout)
    company, product = companies[0]["company_id"], "invoice-finance"
    run(OPERATOR, ["migrations", "plan", "--product", product, "--company", company])
    listed = json.loads(run(READER, ["migrations", "list", "--json"]).stdout)
    planned = next(found["migration_id"] for found in listed if found["dry_run"])
    return {"file": str(file), "company": company, "product": product, "planned": planned}


@pytest.mark.parametrize(("command", "allowed"), COMMANDS, ids=[words for words, _ in COMMANDS])
def test_a_command_works_under_its_policies_and_is_denied_under_all_others(
    hub, run, named, command, allowed
):
    stdins = {"secret": SECRET, "other": OTHER, "key": hub.codat["api_key"]}
    words, _, stdin = command.format(**named).partition(" < ")
    for policy in POLICIES:
        answer = run(policy, words.split(), stdins.get(stdin, ""))
        denied = any(text in answer.output for text in DENIED)
        assert denied is (policy not in allowed), (policy, answer.output)


def test_every_command_is_tried():
    tried = {" ".join(words.split()[:2]) for words, _ in COMMANDS}
    listed = set()
    for group in app.registered_groups:
        for each in group.typer_instance.registered_commands:
            name = each.name or each.callback.__name__.rstrip("_").replace("_", "-")
            listed.add(f"{group.name} {name}")
    listed |= {each.name for each in app.registered_commands}
    renamed = {"refresh whole-product": "refresh product"}
    assert {renamed.get(name, name) for name in listed if name} - tried == set()
