"""`tools/hub` works on the deployed local stack and shows what `make up` put into it."""

import json
import os
import subprocess
import sys
import uuid

import boto3
import pytest
from typer.testing import CliRunner

from tools.cli import environments
from tools.cli.__main__ import app
from tools.cli.product_file import load
from tools.local.codat import codat_client
from tools.samconfig import ROOT

PRODUCT = "invoice-finance"
KEPT = "lending"


@pytest.fixture
def cli(local_stack, monkeypatch):
    """Return a function that runs `hub …` on the local stack; with --json it returns the JSON."""
    monkeypatch.setattr(environments, "LOCAL", local_stack.description)

    def run(*words, code=0, stdin=""):
        env = {"HUB_ENV": "local"}
        answer = CliRunner().invoke(app, list(words), input=stdin, env=env)
        assert answer.exit_code == code, answer.output
        return json.loads(answer.stdout) if "--json" in words and not code else answer

    return run


@pytest.fixture
def codat(hub):
    with codat_client(hub.codat) as client:
        yield client


def seeded(codat):
    """Return the companies that the sandbox was seeded with."""
    companies = codat.get("/companies", params={"pageSize": 100}).json()["results"]
    return {
        company["id"]: company
        for company in companies
        if (company["description"] or "").startswith("internal")
    }


def test_a_new_hub_has_the_products_of_the_file_and_their_schedules(cli, hub):
    file = load(ROOT / "products.yaml")
    listed = {product.pop("product"): product for product in cli("products", "list", "--json")}
    assert set(listed) == set(file.products)
    assert cli("products", "diff", "--json") == {"changes": [], "warnings": []}
    scheduler = hub.client("scheduler")
    found = scheduler.list_schedules(GroupName=hub.described["schedule_group"])["Schedules"]
    assert len(found) == sum("schedule" in product for product in file.products.values())


def test_a_new_hub_knows_every_company_and_a_consent_of_each_to_each_product(cli, codat):
    known = {company["company_id"]: company for company in cli("companies", "list", "--json")}
    products = set(load(ROOT / "products.yaml").products)
    for company_id, company in seeded(codat).items():
        assert known[company_id]["name"] == company["name"]
        consents = cli("consents", "list", company_id, "--json")
        assert {consent["product"] for consent in consents} == products
        assert not any(consent["revoked_at"] for consent in consents)


def test_the_hub_counts_every_product_at_codat_as_assigned(cli, codat):
    for company_id, company in list(seeded(codat).items())[-3:]:
        shown = cli("companies", "show", company_id, "--json")
        held = {
            assignment["product"]
            for assignment in shown["assignments"]
            if assignment["status"] == "assigned"
        }
        assert held == set(company["products"])


def test_a_product_is_refused_then_added_with_a_consent_then_removed_by_its_revocation(cli, codat):
    name = f"Bakery {uuid.uuid4().hex[:8]}"
    company = cli("companies", "create", name, "--product", KEPT, "--consent-by", "o", "--json")
    company_id = company["company_id"]

    def at_codat():
        return set(codat.get(f"/companies/{company_id}").json()["products"])

    refused = cli("companies", "add-product", company_id, PRODUCT, code=1)
    for missing in ("invoices", "payments", "customers"):
        assert f'data_types = "{missing}": not covered by a consent' in refused.stderr
    assert at_codat() == {KEPT}
    cli("consents", "grant", company_id, PRODUCT, "--by", "o@x.example")
    cli("companies", "add-product", company_id, PRODUCT)
    assert at_codat() == {KEPT, PRODUCT}
    cli("consents", "revoke", company_id, PRODUCT, "--reason", "asked", "--yes")
    assert at_codat() == {KEPT}
    history = cli("consents", "list", company_id, "--history", "--json")
    assert [(entry["number"], entry["reason"]) for entry in history if
            entry["consent"]["product"] == PRODUCT] == [(1, None), (2, "asked")]  # fmt: skip


def test_a_reader_reads_and_is_told_which_role_a_change_needs(cli, hub, monkeypatch):
    iam, sts = hub.client("iam"), hub.client("sts")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}  # fmt: skip
    role = iam.create_role(RoleName="cli-reader", AssumeRolePolicyDocument=json.dumps(trust))
    reader = hub.described["control_api_reader"]
    iam.attach_role_policy(RoleName="cli-reader", PolicyArn=reader)
    keys = sts.assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="ann")["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    monkeypatch.setattr(environments, "_session", lambda _name: session)
    assert cli("products", "list", "--json")
    refused = cli("products", "remove", PRODUCT, "--yes", code=1)
    assert "the local root may not do this" in refused.stderr
    assert "ControlApiOperator" in refused.stderr


def a_process(stack, *words):
    """Start `hub …` as a process of its own, for this stack."""
    code = (
        "import pathlib, sys; from tools.cli import environments; "
        f"environments.LOCAL = pathlib.Path({str(stack.description)!r}); "
        "from tools.cli.__main__ import main; main()"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/functions:{ROOT}"}
    env |= {"HUB_ENV": "local", "NO_COLOR": "1"}
    command = [sys.executable, "-c", code, *words]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_pipe_gets_exactly_one_json_document(local_stack):
    with a_process(local_stack, "companies", "list", "--json") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip().endswith("companies")) == (0, True)
    assert len(json.loads(out)) >= 20
    assert "\x1b" not in out + err
