"""A client before its migration has consents, old consumers and webhooks that arrive."""

import json
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent, ConsentEntry
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.storage.state_table import StateTable
from tools.bench.own_stack import Unfilled
from tools.local.codat import codat_client
from tools.local.stack import EVENTS_OF_ALL_TEAMS, LocalStack

type Json = dict[str, Any]

PRODUCTS: Final = ("invoice-finance", "cashflow-insights", "payables")  # the last is standard
_WITHHELD: Final = "cashflow-insights"  # every tenth customer has not consented to it
_AT_ONCE: Final = 8
_BETWEEN_EVENTS: Final = 0.5  # seconds
_BY: Final = "bench"


class OldWorld(Unfilled):
    """A hub with one consumer for plain reads and everything else, and none per product."""

    def _subscriptions(self, codat: Json) -> dict[str, list[str]]:  # noqa: ARG002  # as its caller
        return {"platform": list(EVENTS_OF_ALL_TEAMS)}


def codat_of(local: LocalStack) -> Any:
    """Open a client for the stack's sandbox."""
    stack = local.described
    return codat_client({"url": stack["sandbox_url"], "api_key": stack["codat_api_key"]})


def agree(local: LocalStack, companies: Sequence[Json]) -> dict[str, tuple[str, ...]]:
    """Register the products, record the consents; return each company's agreed products."""
    dynamodb = local.emulator.client("dynamodb")
    table = StateTable(dynamodb, local.described["state_table"])
    with codat_of(local) as codat:
        known = {
            product["identifier"]: Product(
                product["identifier"],
                ProductKind.CUSTOM if product["custom"] else ProductKind.STANDARD,
                data_types=tuple(product["dataTypes"]),
            )
            for product in codat.get("/_sandbox/products").json()
        }
    registry = ProductStore(table)
    registry.replace(list(known.values()), registry.read()[1], _BY)
    consents = ConsentLedger(dynamodb, local.described["consents_table"])
    assignments = AssignmentStore(table)

    def record(company: Json) -> None:
        now, company_id = datetime.now(UTC), company["id"]
        for name in agreed[company_id]:
            consent = Consent(name, now, "an owner", "1", known[name].data_types)
            consents.append(company_id, ConsentEntry(1, consent, _BY))
            status = (
                AssignmentStatus.ASSIGNED
                if name in company["products"]
                else AssignmentStatus.ABSENT
            )
            assignments.put(Assignment(company_id, name, status, now, _BY, consent), 0)

    agreed = {
        company["id"]: tuple(p for p in PRODUCTS if number % 10 != 9 or p != _WITHHELD)
        for number, company in enumerate(companies)
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(record, companies))
    return agreed


@dataclass
class Traffic:
    """Constant traffic at Codat, so that every gap has something to lose."""

    codat: httpx.Client
    companies: Sequence[str]
    webhook_ids: list[str] = field(default_factory=list)

    def happen(self, times: int = 1) -> None:
        """Make Codat announce new connections."""
        for _ in range(times):
            company_id = self.companies[len(self.webhook_ids) % len(self.companies)]
            payload = {
                "referenceCompany": {"id": company_id, "name": "Traffic Ltd"},
                "connection": {
                    "id": str(uuid.uuid4()),
                    "status": "PendingAuth",
                    "integrationKey": "gbol",
                    "sourceType": "Accounting",
                },
            }
            body = {"eventType": "connection.created", "payload": payload, "companyId": company_id}
            answer = self.codat.post("/_sandbox/events", json=body).raise_for_status()
            self.webhook_ids.append(answer.json()["webhookId"])


@contextmanager
def traffic(local: LocalStack, companies: Sequence[str]) -> Iterator[Traffic]:
    """Announce a connection twice a second until the end."""
    over = threading.Event()
    with codat_of(local) as codat:
        busy = Traffic(codat, companies)

        def go_on() -> None:
            while not over.wait(_BETWEEN_EVENTS):
                busy.happen()

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield busy
        finally:
            over.set()
            thread.join()


@dataclass(frozen=True)
class ProductEvents:
    """A queue that gets every product event of the bus."""

    sqs: Any
    queue: str

    @classmethod
    def of(cls, local: LocalStack, name: str) -> "ProductEvents":
        events, sqs = local.emulator.client("events"), local.emulator.client("sqs")
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        bus = local.described["event_bus"]
        pattern = {"source": ["codat-hub"], "detail-type": ["ProductReadCompleted"]}
        events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        targets = [{"Id": "queue", "Arn": arn["QueueArn"]}]
        events.put_targets(Rule=name, EventBusName=bus, Targets=targets)
        return cls(sqs, queue)

    def take(self) -> list[Json]:
        """Take the events from the queue and return their details."""
        details: list[Json] = []
        while found := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            details += [json.loads(message["Body"])["detail"] for message in found]
            gone = [
                {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
                for n, message in enumerate(found)
            ]
            self.sqs.delete_message_batch(QueueUrl=self.queue, Entries=gone)
        return details


@dataclass(frozen=True)
class Inbox:
    local: LocalStack

    def items(self) -> dict[str, Mapping[str, str]]:
        """Return by webhook-id the fields of each inbox item, without its body."""
        pages = self.local.emulator.client("dynamodb").get_paginator("scan")
        wanted = "webhook_id, consumer, event_type, company_id, product, quarantine"
        name = self.local.described["inbox_table"]
        return {
            item["webhook_id"]["S"]: {key: value["S"] for key, value in item.items()}
            for page in pages.paginate(TableName=name, ProjectionExpression=wanted)
            for item in page["Items"]
        }


def generated(codat: httpx.Client, event_types: Sequence[str], since: str) -> set[str]:
    """Return the webhook-ids of all generated events of these types, sent or not.

    A consumer of all these types is created, and the Portal's replay for it lists them.
    """
    body = {"url": "http://127.0.0.1:9/witness", "eventTypes": list(event_types), "disabled": True}
    witness = codat.post("/webhooks", json=body).raise_for_status().json()["id"]
    asked = {"since": since, "include": "all"}
    found = codat.post(f"/_sandbox/webhooks/{witness}/replay", json=asked).raise_for_status()
    codat.delete(f"/webhooks/{witness}").raise_for_status()
    return set(found.json()["webhookIds"])
