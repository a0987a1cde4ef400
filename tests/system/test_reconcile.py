"""Reconcile as deployed: its own permissions, its queue, the sandbox as Codat, the schedule."""

import json

import pytest

from codat_hub.companies.adapters.company_store import Companies
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRuns
from codat_hub.reconcile.domain.drift import Kind
from codat_hub.reconcile.domain.reconcile_run import Status
from codat_hub.storage.state_table import StateTable
from tests.support.waiting import eventually
from tools.local.codat import codat_client


@pytest.fixture
def table(hub):
    return StateTable(hub.client("dynamodb"), hub.described["state_table"])


def test_the_nightly_message_imports_the_directory_and_lists_what_is_unsafe(hub, table):
    scheduler = hub.client("scheduler")
    (name,) = [
        one["Name"]
        for one in scheduler.list_schedules()["Schedules"]
        if one["Name"].endswith("-reconcile")
    ]
    target = scheduler.get_schedule(Name=name)["Target"]
    runs = ReconcileRuns(table)
    eventually(lambda: all(one.over for one in runs.latest()))  # or the message joins that one
    body = target["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-22T01:30:00Z")
    assert "scheduled_time" in json.loads(body)
    queue = hub.described["reconcile_queue"]
    assert target["Arn"].endswith(queue.rpartition("/")[2])

    with codat_client(hub.codat) as codat:
        unasked = {"name": "Nobody Asked Them Ltd", "products": ["lending"]}
        company = codat.post("/companies", json=unasked).raise_for_status().json()["id"]
    sent = hub.client("sqs").send_message(QueueUrl=queue, MessageBody=body)["MessageId"]

    def over():  # by its id: at half past one there is the night's own, too
        ours = (one for one in runs.latest() if one.reconcile_id.endswith(sent[:8]))
        return next((one for one in ours if one.over), None)

    run = eventually(over, seconds=60)
    assert (run.status, run.error, run.requested_by) == (Status.COMPLETE, None, "schedule")
    with codat_client(hub.codat) as codat:
        theirs = {one["id"]: one for one in codat.get("/companies?pageSize=100").json()["results"]}
    ours = Companies(table).get_many(theirs)
    assert {one.company_id: one.name for one in ours.values()} == {
        company_id: one["name"] for company_id, one in theirs.items()
    }
    assert run.counts["companies"] == len(theirs)
    found = [one for _, some in runs.drift(run, 0, run.step + 1) for one in some]
    drift = {one.kind for one in found}
    unsafe = [one.company_id for one in found if one.kind is Kind.PRODUCT_WITHOUT_CONSENT]
    assert company in unsafe, "nobody has recorded a consent of theirs"
    # the URLs of the deployed API are known as this hub's, and their secrets are stored
    assert not drift & {Kind.CONSUMER_MISSING, Kind.CONSUMER_ELSEWHERE, Kind.SECRET_MISSING}
    assert set(hub.described["custom_products"]) < run.facts["consumers"].keys()
    assert any(one.get("reconcile_complete") for one in hub.logged(hub.described["reconcile_logs"]))
