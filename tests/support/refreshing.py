"""The tables, queues and company that the refresh handlers need on moto."""

import importlib
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.products.adapters.product_store import ProductStore
from codat_hub.refresh.adapters.ticket_store import TicketStore
from codat_hub.storage.state_table import StateTable
from tests.support.aws import REGION, Context
from tools.simulation.refresh_world import a_product

PRODUCT = "invoice-finance"


class LongContext(Context):
    def get_remaining_time_in_millis(self):
        return 90_000


@dataclass
class Stack:
    table: StateTable
    queue: str
    sqs: object

    def messages(self):
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def ticket(self, company_id):
        return TicketStore(self.table).get(company_id, PRODUCT)[0]

    def assign(self, company_id):
        now = datetime.now(UTC)
        consent = Consent(PRODUCT, now, "an owner", "1", ("invoices",))
        assigned = Assignment(company_id, PRODUCT, AssignmentStatus.ASSIGNED, now, "tests", consent)
        assert AssignmentStore(self.table).put(assigned, 0)
        link = {"c": Connection(Stamp(now, "e"), "Linked")}
        assert CompanyStore(self.table).put(Company(company_id, connections=link), 0)


def a_stack(dynamodb, table_name):
    table = StateTable(dynamodb, table_name)
    assert ProductStore(table).replace([a_product(PRODUCT)], 0)
    sqs = boto3.client("sqs", region_name=REGION)
    return Stack(table, sqs.create_queue(QueueName="refreshes")["QueueUrl"], sqs)


def imported(name, monkeypatch, **variables):
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    module = f"codat_hub.handlers.{name}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    return importlib.import_module(module)
