"""The example consumer works: its rule and queue on the hub's bus, its code on the sandbox."""

import json

import pytest

from tests.support.histories import PRODUCT
from tests.support.waiting import eventually
from tools.example_consumer.consumer import Consumer
from tools.local.codat import codat_client
from tools.samconfig import ROOT

STACK = "example-consumer"


@pytest.fixture
def queue(hub):
    stacks = hub.client("cloudformation")
    parameters = {"ProductBus": hub.described["event_bus"], "Product": PRODUCT}
    stacks.create_stack(
        StackName=STACK,
        TemplateBody=(ROOT / "tools/example_consumer/template.yaml").read_text(),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
    )

    def deployed():
        (stack,) = stacks.describe_stacks(StackName=STACK)["Stacks"]
        assert "FAILED" not in stack["StackStatus"], stack
        return stack["StackStatus"] == "CREATE_COMPLETE" and stack["Outputs"]

    (output,) = eventually(deployed)
    yield output["OutputValue"]
    stacks.delete_stack(StackName=STACK)


def test_a_read_arrives_in_its_queue_and_its_code_reads_the_window(hub, queue):
    sqs = hub.client("sqs")

    def received(company):
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        details = [json.loads(message["Body"])["detail"] for message in answer.get("Messages", [])]
        return [detail for detail in details if detail["company_id"] == company]

    with codat_client(hub.codat) as codat:
        company = hub.linked_company(PRODUCT, 1)
        for call in ("start", "complete"):
            read = {"companyId": company, "productIdentifier": PRODUCT}
            codat.post(f"/_sandbox/reads/{call}", json=read).raise_for_status()
        (detail,) = eventually(lambda: received(company))
        assert detail["product"] == PRODUCT
        consumer = Consumer(codat)
        consumer.handle({**detail, "data_types": [whole(entry) for entry in detail["data_types"]]})
    assert any(consumer.records.values())


def whole(entry):
    """Return the entry as a full load, because the sandbox decides what a window has."""
    return {**entry, "full_load": True, "modified_from": None}
