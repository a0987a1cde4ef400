"""A preflight asks Codat, here its sandbox: each check fails once, and its advice makes it pass."""

import json

import boto3
import pytest
import yaml
from moto import mock_aws

from tests.support.sandbox.running import running
from tools.local.codat import codat_client
from tools.preflight import codat_checks
from tools.preflight.check import State
from tools.preflight.target import Target
from tools.samconfig import Deployment

REGION = "eu-west-2"
HUB = "https://api1.execute-api.eu-west-2.amazonaws.com/dev/webhooks/codat"
PLATFORM_EVENTS = [
    *("read.completed", "client.rateLimit.reached", "client.rateLimit.reset", "company.created"),
    *("company.deleted", "connection.connected", "connection.created", "connection.deleted"),
    *("connection.disconnected", "connection.reconnected"),
]
CONSUMERS = {
    "platform": PLATFORM_EVENTS,
    "invoice-finance": ["invoice-finance.read.completed"],
    "cashflow-insights": ["cashflow-insights.read.completed"],
}


class World:
    """A Codat client, and the AWS account of a stack with its two secrets."""

    def __init__(self, codat, client):
        self.codat, self.client = codat, client
        self.secrets = boto3.client("secretsmanager", region_name=REGION)
        self.arns = {
            name: self.secrets.create_secret(Name=name)["ARN"] for name in ("key", "signing")
        }
        self.parameters = {
            "Environment": "dev",
            "CodatBaseUrl": codat["url"],
            "CodatClientId": codat["client_id"],
        }
        self.store_key(codat["api_key"])

    def store_key(self, key):
        self.secrets.put_secret_value(SecretId=self.arns["key"], SecretString=key)

    def store_signing(self, *names):
        accepted = json.dumps({name: ["whsec_MDEyMzQ1Njc4OWFiY2RlZg=="] for name in names})
        self.secrets.put_secret_value(SecretId=self.arns["signing"], SecretString=accepted)

    def create_consumers(self, at=HUB):
        for known in self.client.get("/webhooks").json()["results"]:
            self.client.delete(f"/webhooks/{known['id']}").raise_for_status()
        for name, events in CONSUMERS.items():
            body = {"url": f"{at}/{name}", "eventTypes": events}
            self.client.post("/webhooks", json=body).raise_for_status()

    def looked(self, *, stack=True, key=None):
        """Return the checks by name; of two with one name, both."""
        outputs = {
            "WebhookUrl": f"{HUB}/{{consumer}}",
            "WebhooksApiId": "api1",
            "SigningSecretsArn": self.arns["signing"],
            "CodatApiKeyArn": self.arns["key"],
        }
        listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
        deployed = Deployment(REGION, "hub", self.parameters)
        session = boto3.Session(region_name=REGION)
        seen = Target("dev", deployed, session, codat_key=key)
        object.__setattr__(seen, "stack", {"Outputs": listed} if stack else None)
        found = {}
        for check in codat_checks.codat(seen):
            found.setdefault(check.name, []).append(check)
        return found

    def one(self, name, **how):
        (check,) = self.looked(**how)[name]
        return check


@pytest.fixture
def world():
    with (
        running("--port", 0, "--companies", 12) as sandbox,
        mock_aws(),
        codat_client(sandbox.ready) as client,
    ):
        made = World(sandbox.ready, client)
        made.store_signing(*CONSUMERS)
        made.create_consumers()
        yield made


@pytest.fixture
def products(tmp_path, monkeypatch):
    """Return a function that changes a copy of products.yaml, which the preflight then reads."""
    path = tmp_path / "products.yaml"
    path.write_text(codat_checks.PRODUCTS.read_text())
    monkeypatch.setattr(codat_checks, "PRODUCTS", path)

    def change(product, **fields):
        content = yaml.safe_load(path.read_text())
        content["products"].setdefault(product, {}).update(fields)
        path.write_text(yaml.safe_dump(content))

    return change


def test_without_a_key_nothing_is_asked_and_a_given_one_is_used(world):
    check = world.one("Codat", stack=False)
    assert check.state is State.UNKNOWN
    assert "CODAT_API_KEY=… make preflight ENV=dev" in check.next
    assert world.one("Codat client", stack=False, key=world.codat["api_key"]).state is State.PASSED


def test_a_refused_key_is_replaced_by_the_command(world):
    world.store_key("not-the-key-of-anybody")
    check = world.one("Codat client")
    assert (check.state, check.next) == (
        State.FAILED,
        "tools/hub secrets set-api-key --env dev",
    )
    world.store_key(world.codat["api_key"])
    assert world.one("Codat client").state is State.PASSED


def test_another_client_is_named_with_the_setting_that_binds_to_it(world):
    del world.parameters["CodatClientId"]
    check = world.one("Codat client")
    assert check.state is State.FAILED
    name, _, value = check.next.split()[1].partition("=")
    world.parameters[name] = value
    assert world.one("Codat client").state is State.PASSED


def test_a_misspelt_product_is_found_by_what_companies_have(world, products):
    products("invoice-finanse", kind="custom", data_types=["invoices"])
    assert world.one("product invoice-finanse").state is State.UNKNOWN  # both are registered
    codat_checks.PRODUCTS.write_text(
        codat_checks.PRODUCTS.read_text().replace("invoice-finance:", "other:")
    )
    check = world.one("product invoice-finanse")
    assert (check.state, check.next.split()[1]) == (State.FAILED, "invoice-finance")
    codat_checks.PRODUCTS.write_text(
        codat_checks.PRODUCTS.read_text().replace("invoice-finanse:", "invoice-finance:")
    )
    assert world.one("product invoice-finance").state is State.PASSED


def test_a_file_that_cannot_be_read_is_the_check_of_the_products(world, products):
    products("lending", kind="odd")
    check = world.one("products")
    assert (check.state, check.next) == (State.FAILED, "Correct products.yaml.")


def test_schedules_that_ask_for_more_than_the_quota_are_made_rarer(world, products):
    assert world.one("Codat's quota").state is State.PASSED
    often = world.one("refreshes of cashflow-insights")
    calls = int(often.found.split()[0])
    world.client.post("/_sandbox/quota", json={"dailyQuota": calls - 1}).raise_for_status()
    check = world.one("Codat's quota")
    assert check.state is State.FAILED
    assert check.next.startswith("Make schedules in products.yaml rarer")
    schedule = {"expression": "rate(24 hours)", "timezone": "UTC", "enabled": True}
    products("cashflow-insights", schedule=schedule)
    assert world.one("Codat's quota").state is State.PASSED


def test_a_schedule_that_never_runs_is_named(world, products):
    wrong = {"expression": "cron(0 25 * * ? *)", "timezone": "UTC", "enabled": True}
    products("invoice-finance", schedule=wrong)
    check = world.one("refreshes of invoice-finance")
    assert (check.state, check.next) == (State.FAILED, "Correct the schedule in products.yaml.")


def test_schedules_of_the_client_beside_products_are_two_kinds(world):
    check = world.one("sync settings")
    assert (check.state, "companies have invoice-finance" in check.found) == (State.FAILED, True)
    settings = world.client.get("/profile/syncSettings").json()
    for setting in settings["settings"]:
        setting["syncSchedule"] = 0
    world.client.post("/profile/syncSettings", json=settings).raise_for_status()
    assert world.one("sync settings").state is State.PASSED


class TestConsumers:
    def test_without_a_stack_they_are_not_checked(self, world):
        key = world.codat["api_key"]
        assert world.one("webhook consumers", stack=False, key=key).state is State.UNKNOWN

    def test_a_missing_secret_and_a_missing_consumer_are_named_and_put_right(self, world):
        assert world.one("webhook consumers").state is State.PASSED
        world.store_signing("platform", "invoice-finance")
        check = world.one("webhook consumers")
        assert (check.state, "tools/hub secrets add CONSUMER" in check.next) == (
            State.FAILED,
            True,
        )
        world.store_signing(*CONSUMERS)
        assert world.one("webhook consumers").state is State.PASSED

    def test_a_consumer_at_a_closed_endpoint_is_moved_to_the_domain(self, world, monkeypatch):
        world.parameters |= {"WebhookDefaultEndpoint": "disabled", "WebhookDomain": "a.example"}
        monkeypatch.setattr("tests.component.test_preflight_of_codat.HUB", DOMAIN)
        old = world.looked()["webhook consumers"]
        assert {check.state for check in old} == {State.FAILED}
        assert {check.next for check in old} == {"Change it in the Portal to a.example."}
        world.create_consumers(DOMAIN)
        assert world.one("webhook consumers").state is State.PASSED


DOMAIN = "https://a.example/webhooks/codat"
