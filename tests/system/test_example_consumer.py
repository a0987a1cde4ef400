"""The example consumer, deployed beside the hub, has what Codat has, whatever fails meanwhile."""

import json
from dataclasses import dataclass

import pytest

from tests.support.system.projection import needs_proc
from tests.support.waiting import eventually
from tools.example_consumer.consumer.current import landed, newest
from tools.example_consumer.consumer.landing import HANDLED
from tools.example_consumer.consumer.sources import source_of
from tools.faults.killer import Killer
from tools.local.codat import codat_client
from tools.samconfig import ROOT

STACK = "example-consumer"
PRODUCTS = ("invoice-finance", "cashflow-insights")


@dataclass(frozen=True)
class Team:
    """The deployed consumer, and the sandbox that it reads from."""

    hub: object
    codat: object
    outputs: dict

    def companies(self, product):
        found = self.codat.get("/companies?pageSize=100").json()["results"]
        return [
            company
            for company in found
            if product in company["products"]
            and any(link["status"] == "Linked" for link in company["dataConnections"])
        ]

    def read(self, product, companies):
        """Let Codat read a product; each read ends with an event."""
        for company in companies:
            for call in ("start", "complete"):
                about = {"companyId": company["id"], "productIdentifier": product}
                self.codat.post(f"/_sandbox/reads/{call}", json=about).raise_for_status()

    def handled(self):
        s3, bucket = self.hub.client("s3"), self.outputs["Records"]
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=HANDLED)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def events(self):
        """Return how many messages wait or are at work, and how many are dead letters."""
        sqs = self.hub.client("sqs")
        return [
            sum(
                int(number)
                for number in sqs.get_queue_attributes(
                    QueueUrl=self.outputs[queue], AttributeNames=["All"]
                )["Attributes"].values()
                if str(number).isdecimal()
            )
            for queue in ("Queue", "DeadLetters")
        ]

    def current(self, product):
        lines = landed(self.hub.client("s3"), self.outputs["Records"], product=product)
        view = {}
        for line in newest(lines):
            key = (line["company"], line["data_type"])
            view.setdefault(key, []).append(line["record"])
        return {key: sorted(records, key=repr) for key, records in view.items()}

    def truth(self, product, companies):
        """Return what Codat has of each company's data types of the product."""
        products = self.codat.get("/_sandbox/products").json()
        view = {}
        for company in companies:
            for data_type in data_types_of(products, product):
                if records := list(self.records(company, data_type)):
                    view[company["id"], data_type] = sorted(records, key=repr)
        return view

    def records(self, company, data_type):
        source, base = source_of(data_type), f"/companies/{company['id']}"
        links = [f"/connections/{link['id']}" for link in company["dataConnections"]]
        for link in links if source.by_connection else [""]:
            answer = self.codat.get(f"{base}{link}/data/{source.path}?pageSize=2000")
            if answer.status_code != 409:  # this connection has no such data
                yield from answer.raise_for_status().json()["results"]


def data_types_of(products, identifier):
    (found,) = (one for one in products if one["identifier"] == identifier)
    return found["dataTypes"]


@pytest.fixture
def team(hub, tmp_path):
    described = hub.described
    outputs = hub.stack.emulator.deploy(
        tmp_path / "deploy.log",
        stack_name=STACK,
        template=ROOT / "tools/example_consumer/template.yaml",
        overrides={
            "ProductBus": described["event_bus"],
            "CodatBaseUrl": described["sandbox_url"],
            "ReadsPerMinute": "900",
            "PageSize": "3",
        },
    )
    secrets = hub.client("secretsmanager")
    secrets.put_secret_value(
        SecretId=outputs["CodatApiKey"], SecretString=described["codat_api_key"]
    )
    # A killed run's message comes back after this.
    hub.client("sqs").set_queue_attributes(
        QueueUrl=outputs["Queue"], Attributes={"VisibilityTimeout": "15"}
    )
    with codat_client(hub.codat) as codat:
        yield Team(hub, codat, outputs)
        codat.delete("/_sandbox/faults")
    hub.client("cloudformation").delete_stack(StackName=STACK)


@needs_proc
def test_the_current_view_is_codats_after_kills_and_a_spent_quota(hub, team):
    companies = {product: team.companies(product) for product in PRODUCTS}
    emulator = hub.stack.emulator.process.pid()
    with Killer(emulator, seed=15, seconds=1.5, only="LandRecords").at_work() as killer:
        for _ in range(2):
            for product in PRODUCTS:
                team.read(product, companies[product])
        # The quota is spent for a while: every read of records is refused.
        spent = {"path": "/data/", "status": 429, "headers": {"Retry-After": "2"}, "times": 40}
        team.codat.post("/_sandbox/faults", json=spent).raise_for_status()
        events = 2 * sum(map(len, companies.values()))
        eventually(lambda: len(team.handled()) >= events, seconds=180, poll=0.5)
    assert killer.killed.total() > 3
    assert team.codat.get("/_sandbox/faults").json() == []
    for product in PRODUCTS:
        # Records that both products share change with each read, so each is compared after its own.
        handled = len(team.handled())
        team.read(product, companies[product])
        events = handled + len(companies[product])
        eventually(lambda: len(team.handled()) >= events, seconds=120, poll=0.5)  # noqa: B023
        assert team.current(product) == team.truth(product, companies[product])
    assert eventually(lambda: team.events()[0] == 0)
    assert team.events()[1] == 0
