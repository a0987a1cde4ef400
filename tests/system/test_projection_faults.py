"""With poison, without a permission or killed, the projection loses and repeats nothing."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from codat_hub.storage.items import ItemKey
from tests.support.builders import a_read_completed
from tests.support.histories import PRODUCT, Ledger, a_read, at, facts_of
from tests.support.system.projection import (
    client_as,
    covered_until,
    function_of,
    kill_workers,
    needs_proc,
    of,
    windows,
)
from tests.support.waiting import eventually
from tools.local.codat import codat_client


def test_a_poison_record_is_parked_and_the_rest_goes_on(projection, hub, company):
    before = projection.send(a_read(1), company)
    poison = a_read_completed(dataTypes=[{"dataType": "invoices"}])
    webhook_id = f"msg-poison-{company}"
    assert hub.post(poison, hub.headers(poison, webhook_id)).status_code == 200
    after = projection.send(a_read(2, since=1), company)
    assert projection.projected(webhook_id) == ["parked"]
    projection.projected(before, after)
    assert len(projection.details(company)) >= 1
    parked = projection.table.get(ItemKey("PARKED", webhook_id)).attributes
    assert "connectionId" in parked["reason"]


@pytest.mark.parametrize(
    ("action", "published_meanwhile"),
    [("dynamodb:GetItem", 0), ("events:PutEvents", 0), ("dynamodb:PutItem", 1)],
)
def test_without_a_permission_nothing_is_lost_and_nothing_counts_twice(
    projection, hub, company, action, published_meanwhile
):
    projection.projected(projection.send(a_read(1), company))
    eventually(lambda: len(projection.details(company)) == 1)
    with hub.stack.emulator.denied(function_of(hub.described["project_reads_logs"]), action):
        webhook_id = projection.send(a_read(2, since=1), company)
        eventually(lambda: projection.tried_in_vain(webhook_id), seconds=60)
        assert projection.state(company)[1] == 1
        eventually(lambda: len(projection.details(company)) == 1 + published_meanwhile)
    projection.projected(webhook_id)
    state, version = projection.state(company)
    assert (version, state.last_read_at) == (2, at(2))
    assert len(projection.details(company)) == 2
    assert windows(projection.details(company), "invoices")[1] == (at(1), at(2))
    assert projection.given_up() == 0


@needs_proc
def test_a_projector_killed_in_mid_run_loses_nothing_and_applies_nothing_twice(
    projection, hub, company
):
    function = function_of(hub.described["project_reads_logs"])
    reads = [a_read(hour, since=hour - 1) for hour in range(1, 31)]
    with ThreadPoolExecutor(4) as pool:
        sending, killed, known = [], 0, 0
        for some in (reads[:15], reads[15:]):  # so that the second kill also finds a worker
            sending += [pool.submit(projection.send, read, company) for read in some]
            eventually(lambda: projection.state(company)[1] > known)  # noqa: B023
            killed += kill_workers(hub, function)
            projection.projected(*(future.result() for future in sending))
            known = projection.state(company)[1]
        sent = [future.result() for future in sending]
    projection.projected(*sent)
    assert killed >= 2
    state, version = projection.state(company)
    # Which read was the full load depends on the order.
    assert facts_of(state) == Ledger().take(*(of(read, company) for read in reads)).facts[0]
    assert version <= len(reads)
    details = projection.details(company)
    assert covered_until(details, "invoices") == reads[-1].at
    assert len({detail["occurred_at"] for detail in details}) == len(details)
    assert projection.given_up() == 0


def test_the_sandbox_killed_in_mid_run_leaves_a_projection_without_gap_or_repeat(projection, hub):
    chosen = hub.linked_company(PRODUCT, 2)
    with codat_client(hub.codat) as codat:
        read = {"companyId": chosen, "productIdentifier": PRODUCT}
        codat.post("/_sandbox/delivery", json={"duplicateProbability": 0.5, "reorder": True})
        for _ in range(8):
            codat.post("/_sandbox/reads/start", json=read).raise_for_status()
            codat.post("/_sandbox/reads/complete", json=read).raise_for_status()
    eventually(lambda: stored_reads(hub, chosen))  # the first read arrived, others are on their way
    os.kill(hub.stack.sandbox.pid(), signal.SIGKILL)
    hub.stack.up()
    with codat_client(hub.codat) as codat:
        codat.post("/_sandbox/reads/start", json=read).raise_for_status()
        codat.post("/_sandbox/reads/complete", json=read).raise_for_status()
        sent = codat.get("/_sandbox/deliveries").json()
    after = [
        message["webhookId"]
        for message in sent
        if message["eventType"] == f"{PRODUCT}.read.completed"
    ]
    projection.projected(*after)
    reads = stored_reads(hub, chosen)
    outcomes = projection.projected(*reads)
    assert set(after) < set(reads)
    assert set(outcomes) <= {"published", "superseded"}
    details = [detail for detail in projection.details(chosen) if detail["product"] == PRODUCT]
    assert len(details) == outcomes.count("published")
    connection = details[0]["data_types"][0]["connection_id"]
    newest = max(reads.values())
    assert covered_until(details, "invoices", connection) == datetime.fromisoformat(newest)
    assert projection.given_up() == 0


def stored_reads(hub, company):
    """Return the company's reads of the product in the inbox: webhook-id -> generatedDate."""
    pages = hub.client("dynamodb").get_paginator("scan")
    found = pages.paginate(
        TableName=hub.described["inbox_table"],
        FilterExpression="company_id = :company AND begins_with(event_type, :reads)",
        ExpressionAttributeValues={
            ":company": {"S": company}, ":reads": {"S": f"{PRODUCT}.read.completed"}
        },
    )  # fmt: skip
    items = (item for page in found for item in page["Items"])
    return {item["webhook_id"]["S"]: item["generated_date"]["S"] for item in items}


def test_the_function_may_do_with_state_and_inbox_what_it_needs_and_no_more(hub):
    dynamodb = client_as(hub, function_of(hub.described["project_reads_logs"]), "dynamodb")
    tables = {"state": hub.described["state_table"], "inbox": hub.described["inbox_table"]}
    key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    dynamodb.get_item(TableName=tables["state"], Key=key)
    for refused in (
        lambda: dynamodb.scan(TableName=tables["state"]),
        lambda: dynamodb.delete_item(TableName=tables["state"], Key=key),
        lambda: dynamodb.put_item(TableName=tables["inbox"], Item={"webhook_id": {"S": "x"}}),
    ):
        with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
            refused()
