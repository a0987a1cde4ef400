"""The deployed reconcile has its permissions, its queue, its schedule, and the sandbox."""

import json

import pytest

from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.reconcile.adapters.reconcile_run_store import ReconcileRunStore
from codat_hub.reconcile.domain.drift import DriftKind
from codat_hub.reconcile.domain.reconcile_run import ReconcileStatus
from codat_hub.storage.state_table import StateTable
from tests.support.waiting import eventually
from tools.local.codat import codat_client


@pytest.fixture
def table(hub):
    return StateTable(hub.client("dynamodb"), hub.described["state_table"])


def test_the_nightly_message_imports_the_directory_and_lists_what_is_unsafe(hub, table):
    scheduler = hub.client("scheduler")
    (name,) = [
        schedule["Name"]
        for schedule in scheduler.list_schedules()["Schedules"]
        if schedule["Name"].endswith("-reconcile")
    ]
    target = scheduler.get_schedule(Name=name)["Target"]
    runs = ReconcileRunStore(table)
    eventually(
        lambda: all(run.over for run in runs.latest())
    )  # otherwise the message joins that run
    body = target["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-22T01:30:00Z")
    assert "scheduled_time" in json.loads(body)
    queue = hub.described["reconcile_queue"]
    assert target["Arn"].endswith(queue.rpartition("/")[2])

    with codat_client(hub.codat) as codat:
        unasked = {"name": "Nobody Asked Them Ltd", "products": ["lending"]}
        company = codat.post("/companies", json=unasked).raise_for_status().json()["id"]
    sent = hub.client("sqs").send_message(QueueUrl=queue, MessageBody=body)["MessageId"]

    def over():  # by its id, as the nightly run starts at half past one
        ours = (run for run in runs.latest() if run.reconcile_id.endswith(sent[:8]))
        return next((run for run in ours if run.over), None)

    run = eventually(over, seconds=60)
    assert (run.status, run.error, run.requested_by) == (ReconcileStatus.COMPLETE, None, "schedule")
    with codat_client(hub.codat) as codat:
        theirs = {
            company["id"]: company
            for company in codat.get("/companies?pageSize=100").json()["results"]
        }
    ours = CompanyStore(table).get_many(theirs)
    assert {company.company_id: company.name for company in ours.values()} == {
        company_id: company["name"] for company_id, company in theirs.items()
    }
    assert run.counts["companies"] == len(theirs)
    found = [drift for _, some in runs.drift(run, 0, run.step + 1) for drift in some]
    drift = {drift.kind for drift in found}
    unsafe = [
        drift.company_id for drift in found if drift.kind is DriftKind.PRODUCT_WITHOUT_CONSENT
    ]
    assert company in unsafe, "no consent of the company is recorded"
    # reconcile recognises the deployed API's URLs, and their secrets are stored
    assert not drift & {
        DriftKind.CONSUMER_MISSING,
        DriftKind.CONSUMER_ELSEWHERE,
        DriftKind.SECRET_MISSING,
    }
    assert set(hub.described["custom_products"]) < run.facts["consumers"].keys()
    assert any(
        line.get("reconcile_complete") for line in hub.logged(hub.described["reconcile_logs"])
    )
