"""The example consumer, deployed beside the hub, has what Codat has, whatever fails meanwhile."""

from dataclasses import dataclass

import pytest

from tests.support.system.control_api import ControlApi
from tests.support.system.hub import Hub, Silent
from tests.support.system.projection import needs_proc
from tests.support.waiting import eventually
from tools.example_consumer.consumer.sources import source_of
from tools.faults.killer import Killer
from tools.local.codat import codat_client
from tools.local.consumer import DeployedConsumer
from tools.local.stack import LocalStack, Options

PRODUCTS = ("invoice-finance", "cashflow-insights")


@dataclass(frozen=True)
class Team:
    """The deployed consumer, and the sandbox that it reads from."""

    hub: object
    codat: object
    consumer: DeployedConsumer

    def companies(self, product):
        found = self.codat.get("/companies?pageSize=100").json()["results"]
        return [
            company
            for company in found
            if product in company["products"]
            and {link["status"] for link in company["dataConnections"]} == {"Linked"}
        ]

    def owe_full_loads(self, product, companies):
        """Ask for full loads, as a new team does, because others may have read before."""
        api = ControlApi(self.hub.described["api_url"], self.hub.described["region"])
        for company in companies:
            path = f"/companies/{company['id']}/products/{product}/full-load"
            assert api.call("POST", path)[0] == 200

    def read(self, product, companies):
        """Let Codat read a product; each read ends with an event."""
        for company in companies:
            for call in ("start", "complete"):
                about = {"companyId": company["id"], "productIdentifier": product}
                self.codat.post(f"/_sandbox/reads/{call}", json=about).raise_for_status()

    def is_whole(self, product, companies):
        """Tell whether the current view is Codat's.

        A read by others may have changed what products share. Then Codat reads the product again,
        and its window has only what is new since its last read, so nothing lost comes back.
        """
        current, truth = self.consumer.current(product), self.truth(product, companies)
        assert truth
        behind = {key[0] for key in truth if current.get(key) != truth[key]}
        if behind and self.consumer.messages("Queue") == 0:
            self.read(product, [company for company in companies if company["id"] in behind])
        return not behind

    def truth(self, product, companies):
        """Return what Codat has of each company's data types of the product."""
        products = self.codat.get("/_sandbox/products").json()
        view = {}
        for company in companies:
            for data_type in data_types_of(products, product):
                if records := dict(self.records(company, data_type)):
                    view[company["id"], data_type] = records
        return view

    def records(self, company, data_type):
        source, base = source_of(data_type), f"/companies/{company['id']}"
        links = [f"/connections/{link['id']}" for link in company["dataConnections"]]
        for link in links if source.by_connection else [""]:
            answer = self.codat.get(f"{base}{link}/data/{source.path}?pageSize=2000")
            if answer.status_code != 409:  # this connection has no such data
                for record in answer.raise_for_status().json()["results"]:
                    yield f"{link.rpartition('/')[2]} {record['id']}", record


def data_types_of(products, identifier):
    (found,) = (one for one in products if one["identifier"] == identifier)
    return found["dataTypes"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Deploy a stack of its own: every company is read, and other tests look at first reads."""
    stack = LocalStack(tmp_path_factory.mktemp("consumed"), Silent(), Options(companies=8))
    try:
        stack.up()
        yield Hub(stack)
    finally:
        stack.down()


@pytest.fixture
def team(hub):
    consumer = DeployedConsumer.deploy(hub.stack, "example-consumer", PageSize="3")
    # A killed run's message comes back after this.
    hub.client("sqs").set_queue_attributes(
        QueueUrl=consumer.outputs["Queue"], Attributes={"VisibilityTimeout": "15"}
    )
    with codat_client(hub.codat) as codat:
        yield Team(hub, codat, consumer)
        codat.delete("/_sandbox/faults")
    consumer.remove()


@needs_proc
def test_the_current_view_is_codats_after_kills_and_a_spent_quota(hub, team):
    emulator = hub.stack.emulator.process.pid()
    companies = {product: team.companies(product) for product in PRODUCTS}
    for product in PRODUCTS:
        team.owe_full_loads(product, companies[product])
    with Killer(emulator, seed=15, seconds=5, only="LandRecords").at_work() as killer:
        # The quota is spent for a while: reads of records are refused.
        spent = {"path": "/data/", "status": 429, "headers": {"Retry-After": "2"}, "times": 40}
        team.codat.post("/_sandbox/faults", json=spent).raise_for_status()
        for product in PRODUCTS:
            team.read(product, companies[product])
        eventually(lambda: team.codat.get("/_sandbox/faults").json() == [], seconds=180, poll=0.5)
        for product in PRODUCTS:
            team.read(product, companies[product])
            eventually(
                lambda: team.is_whole(product, companies[product]),  # noqa: B023
                seconds=180,
                poll=2,
            )
    assert killer.killed.total() > 1
    eventually(lambda: team.consumer.messages("Queue") == 0, seconds=120, poll=0.5)
    assert team.consumer.messages("DeadLetters") == 0
