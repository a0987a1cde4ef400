"""No log of the deployed stack holds what people are called or have written, whatever happens."""

import json
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.support.builders import an_event
from tests.support.system.control_api import ROOT, ControlApi
from tests.support.waiting import eventually
from tools.local.codat import codat_client

PRODUCT = "lending"
TYPES = ["chartOfAccounts", "customers", "suppliers", "invoices", "bills", "payments"]
NAME = "Rosalind Ashworth Trading"
FIELDS = {"description": "Run by Rosalind", "tags": {"owner": "ashworth-family"}}
WHO, WHY = "rosalind@ashworth.example", "Rosalind asked for it"
PERSONAL = ("Rosalind", "ashworth", quote(WHY))


@pytest.fixture(scope="module")
def company(hub):
    """Create a company, refuse it once by an answer that quotes it, and end its consent."""
    api = ControlApi(hub.described["api_url"], hub.described["region"], ROOT)
    consent = {"granted_by": WHO, "text_version": "2026-01", "data_types": TYPES}
    wanted = {"name": NAME, **FIELDS, "products": [PRODUCT], "consents": {PRODUCT: consent}}
    with codat_client(hub.codat) as codat:
        fault = {"method": "POST", "path": "/companies", "status": 400}
        fault["body"] = {"error": f"{NAME} ({FIELDS['description']}) is not allowed"}
        codat.post("/_sandbox/faults", json=fault).raise_for_status()
    status, refused = api.call("POST", "/companies", wanted, key=uuid4().hex)
    assert (status, "[…]" in json.dumps(refused, ensure_ascii=False)) == (400, True), refused
    status, created = api.call("POST", "/companies", wanted, key=uuid4().hex)
    assert status == 201, created
    path = f"/companies/{created['company_id']}/consents/{PRODUCT}?reason={quote(WHY)}"
    status, removed = api.call("DELETE", path)
    assert status == 200, removed
    payload = {"referenceCompany": {"id": created["company_id"], "name": NAME}}
    assert hub.post(an_event("company.created", payload)).status_code == 200
    return created["company_id"]


def lines(hub):
    """Return every line of every log group of the stack, as text."""
    logs = hub.client("logs")
    groups = logs.get_paginator("describe_log_groups").paginate()
    names = [group["logGroupName"] for page in groups for group in page["logGroups"]]
    assert any("ControlApi" in name for name in names)
    events = (
        event
        for name in names
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name)
        for event in page["events"]
    )
    return [event["message"] for event in events]


def test_a_company_appears_in_logs_by_its_id_only(hub, company):
    seen = eventually(lambda: [line for line in lines(hub) if company in line])
    messages = {json.loads(line)["message"] for line in seen if line.startswith("{")}
    assert {"company created", "product removed", "consent revoked"} <= messages
    told = [line for line in lines(hub) if any(text in line for text in PERSONAL)]
    assert told == []
