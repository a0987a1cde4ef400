"""Webhooks reach a team's queue through inbox, stream, projector, bus and rule."""

import json
from datetime import datetime

import jsonschema

from codat_hub.companies.adapters.company_store import CompanyStore
from tests.support.histories import PRODUCT, a_read, entry
from tests.support.item_size import size_of
from tests.support.system.projection import covered_until
from tests.support.waiting import eventually
from tools.local.codat import codat_client
from tools.samconfig import ROOT

SCHEMA = json.loads((ROOT / "events/schemas/product_read_completed.v1.json").read_text())


def test_a_read_reaches_the_team_as_the_schema_says(projection, company):
    webhook_id = projection.send(a_read(1), company)
    (detail,) = eventually(lambda: projection.details(company))
    jsonschema.validate(detail, SCHEMA)
    assert detail["webhook_id"] == webhook_id
    assert detail["product"] == PRODUCT


def test_a_daily_and_an_hourly_product_with_shared_data_have_windows_of_their_own(
    projection, company
):
    payments = entry("payments")
    sent = [projection.send(a_read(23, payments, since=None, product="a"), company)]
    for hour in range(24, 48):
        hourly = a_read(hour, payments, since=hour - 1, product="b", event_id=f"b-{hour}")
        sent.append(projection.send(hourly, company))
    sent.append(projection.send(a_read(47, payments, since=46, product="a"), company))
    projection.projected(*sent)
    (first, last) = sorted(
        (d for d in projection.details(company) if d["product"] == "a"),
        key=lambda detail: detail["occurred_at"],
    )
    assert first["data_types"][0]["full_load"] is True
    assert last["data_types"][0]["modified_from"] == "2026-07-01T23:00:00.000000Z"


def test_a_portal_recovery_is_stored_and_changes_nothing(projection, hub, company):
    projection.projected(projection.send(a_read(1), company))
    before, events = projection.state(company), projection.details(company)
    again = projection.send(a_read(1), company)
    assert projection.projected(again) == ["repeated"]
    assert hub.item(again)
    assert projection.state(company) == before
    assert projection.details(company) == events


def test_one_write_for_a_read_and_a_small_item(projection, hub, company):
    sent = [projection.send(a_read(hour, since=hour - 1), company) for hour in range(1, 9)]
    outcomes = projection.projected(*sent)
    _, version = projection.state(company)
    assert version == outcomes.count("published")  # the version counts an item's writes
    assert (
        CompanyStore(projection.table).get(company)[1] == 1
    )  # the company was learned with one write
    key = {"pk": {"S": f"COMPANY#{company}"}, "sk": {"S": f"READS#{PRODUCT}"}}
    answer = hub.client("dynamodb").get_item(TableName=hub.described["state_table"], Key=key)
    assert size_of({"M": answer["Item"]}) < 1024  # one write unit


def test_the_sandboxs_reads_delivered_twice_and_shuffled_arrive_once_without_a_gap(projection, hub):
    chosen = hub.linked_company(PRODUCT, 0)

    def reads():
        return [delivery for delivery in codat.get("/_sandbox/deliveries").json()
                if delivery["companyId"] == chosen
                and delivery["eventType"] == f"{PRODUCT}.read.completed"]  # fmt: skip

    with codat_client(hub.codat) as codat:
        earlier = len(reads())  # such as those after 23:00, when all companies are refreshed
        rules = {"duplicateProbability": 0.5, "reorder": True}
        codat.post("/_sandbox/delivery", json=rules).raise_for_status()
        read = {"companyId": chosen, "productIdentifier": PRODUCT}
        for _ in range(5):
            codat.post("/_sandbox/reads/start", json=read).raise_for_status()
            codat.post("/_sandbox/reads/complete", json=read).raise_for_status()
        sent = reads()
        codat.post("/_sandbox/delivery", json={"duplicateProbability": 0, "reorder": False})
    ids = {message["webhookId"] for message in sent}
    assert len(ids) == earlier + 5
    outcomes = projection.projected(*ids)
    assert set(outcomes) <= {"published", "superseded"}
    details = [d for d in projection.details(chosen) if d["product"] == PRODUCT]
    assert len(details) == outcomes.count("published")
    connection = details[0]["data_types"][0]["connection_id"]
    newest = max(message["generatedDate"] for message in sent)
    assert covered_until(details, "invoices", connection) == datetime.fromisoformat(newest)


def test_a_portal_example_with_made_up_ids_harms_nothing(projection, hub, company):
    projection.projected(projection.send(a_read(1), company))
    before = projection.state(company)
    example = hub.send_example("platform", "read.completed")
    assert projection.projected(example)[0] in {"published", "superseded", "repeated"}
    assert projection.state(company) == before
    assert projection.given_up() == 0
