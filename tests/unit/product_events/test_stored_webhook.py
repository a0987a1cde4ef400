"""Stored webhooks are interpreted from the body as Codat sends it."""

import contextlib
import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.codat.domain.codat_time import CodatTime
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.company import CompanyChange, Connection
from codat_hub.errors import NeverProjected
from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent, ReadKey
from codat_hub.product_events.domain.stored_webhook import StoredWebhook, interpret, split_entry_key
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice
from tests.support.builders import COMPANY, CONNECTION, a_read_completed, a_read_payload, an_event

EVENT_ID = "f7580941-2b3c-4a4d-98f5-60718293a4b5"
GENERATED = CodatTime("2026-07-02T23:05:33.845Z").moment
STAMP = Stamp(GENERATED, EVENT_ID)
REFERENCE = {"id": COMPANY, "name": "Harbour Lane Bakery Ltd"}


def interpreted(body: bytes):
    return interpret(StoredWebhook("msg_1", body)).fact


def an_entry(**changes):
    return a_read_payload()["dataTypes"][0] | changes


def test_a_custom_products_read():
    assert interpreted(a_read_completed(subs=".initial.successful")) == ReadEvent(
        event_id=EVENT_ID,
        webhook_id="msg_1",
        company_id=COMPANY,
        product="invoice-finance",
        subs=frozenset({"initial", "successful"}),
        at=GENERATED,
        generated=GENERATED,
        modified_from=CodatTime("2026-07-01T23:00:00Z").moment,
        entries=(ReadEntry(ReadKey("invoices", CONNECTION), "Complete", records_modified=True),),
    )


def test_a_plain_read_is_of_the_standard_products():
    read = interpreted(a_read_completed(product=None))
    assert (read.product, read.published_as, read.suffix) == (None, "standard", "base")


@pytest.mark.parametrize("raw", [None, "", "soon", 5, "0001-01-01T00:00:00+23:00"])
def test_a_malformed_date_is_none_so_that_everything_is_loaded(raw):
    assert interpreted(a_read_completed(modifiedFromDate=raw)).modified_from is None


@pytest.mark.parametrize("seconds_ahead", [-172_800, 0, 30, 300, 301, 84_600, 10_000_000])
def test_the_time_of_an_event_is_the_earlier_of_its_date_and_its_reception(seconds_ahead):
    received = GENERATED - timedelta(seconds=seconds_ahead)
    found = interpret(StoredWebhook("m", a_read_completed(), received_at=received))
    assert (found.fact.at, found.fact.generated) == (min(GENERATED, received), GENERATED)
    assert found.dated_ahead is (seconds_ahead > 300)


@pytest.mark.parametrize(
    "webhook",
    [
        an_event("company.deleted", {"id": COMPANY}),
        an_event("connection.deleted", {"referenceCompany": REFERENCE, "connection": {"id": "c"}}),
        an_event("client.rateLimit.reset", {}),
    ],
)
def test_the_directory_and_the_rate_limit_have_the_earlier_time_too(webhook):
    received = GENERATED - timedelta(hours=20)
    found = interpret(StoredWebhook("m", webhook, received_at=received))
    assert (found.fact.stamp.at, found.dated_ahead) == (received, True)


def test_of_two_entries_with_one_key_the_complete_entry_counts():
    pair = [an_entry(status="FetchError"), an_entry()]
    for entries in (pair, pair[::-1]):
        (entry,) = interpreted(a_read_completed(dataTypes=entries)).entries
        assert entry.complete


@pytest.mark.parametrize(
    "entries",
    [
        ["invoices"],
        [an_entry(dataType=None)],
        [an_entry(connectionId="")],
        [an_entry(status=7)],
        [an_entry(dataType="x" * 65)],
        [an_entry(), an_entry(connectionId="\n")],
    ],
)
def test_a_malformed_entry_is_told_apart_and_the_others_stay(entries):
    usable = an_entry(dataType="payments")
    body = a_read_completed(dataTypes=[usable, *entries])
    found = interpret(StoredWebhook("m", body))
    bad = len(entries)
    assert list(found.unusable) == [bad]
    assert found.unusable[bad].startswith(f"entry {bad} of payload.dataTypes: ")
    assert len(found.fact.entries) == len(entries)


def test_a_webhook_of_one_entry_has_an_event_id_of_its_own():
    body = a_read_completed(dataTypes=[an_entry(), an_entry(dataType="payments"), None])
    second = interpret(StoredWebhook("m", body, entry=1))
    assert [entry.key.data_type for entry in second.fact.entries] == ["payments"]
    assert (second.fact.event_id, second.unusable) == (f"{EVENT_ID}#1", {})
    with pytest.raises(NeverProjected, match="no entry 3"):
        interpret(StoredWebhook("m", body, entry=3))


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("msg_1#2", ("msg_1", 2)),
        ("a#b#3", ("a#b", 3)),
        ("msg_1", None),
        ("msg#", None),
        ("#1", None),
    ],
)
def test_the_key_of_an_entry_is_split(key, parts):
    assert split_entry_key(key) == parts
    if parts:
        assert StoredWebhook(parts[0], b"", entry=parts[1]).key == key


def test_company_events():
    payload = REFERENCE | {"products": ["lending", "a", "a", 5]}
    assert interpreted(an_event("company.created", payload)) == CompanyChange(
        COMPANY, STAMP, name="Harbour Lane Bakery Ltd", products=("a", "lending")
    )
    assert interpreted(an_event("company.deleted", payload)).deleted
    removed = payload | {"productId": "b", "productName": "B"}
    assert interpreted(an_event("company.product.removed", removed)).removed_product == "b"
    assert interpreted(an_event("company.product.added", removed)).removed_product is None
    assert interpreted(an_event("company.product.added", removed)).added_product == "b"
    assert interpreted(an_event("company.created", {"id": COMPANY})).products is None


@pytest.mark.parametrize(
    ("change", "reported", "status", "removed"),
    [
        ("connected", "Linked", "Linked", False),
        ("reconnected", "Linked", "Linked", False),
        ("disconnected", "Deauthorized", "Deauthorized", True),
        ("deleted", "Linked", "Deleted", True),  # as in Codat's sample
    ],
)
def test_connection_events(change, reported, status, removed):
    connection = {
        "id": CONNECTION, "status": reported, "integrationKey": "gbol", "sourceType": "Accounting"
    }  # fmt: skip
    payload = {"referenceCompany": REFERENCE, "connection": connection}
    found = interpreted(an_event(f"connection.{change}", payload))
    assert found.connection == Connection(STAMP, status, "gbol", "Accounting")
    assert (found.connection_id, found.connection_removed) == (CONNECTION, removed)


def test_rate_limit_events():
    midnight = CodatTime("2026-07-03T00:00:00Z").moment
    payload = {"dailyQuota": 1000, "quotaRemaining": 0, "expiryDate": "2026-07-02T23:59:99Z"}
    assert interpreted(an_event("client.rateLimit.reached", payload)) == RateLimitNotice(
        STAMP, midnight
    )
    assert interpreted(an_event("client.rateLimit.reset", payload)) == RateLimitNotice(STAMP, None)


@pytest.mark.parametrize("kind", ["bills.write.successful", "expenses.sync.successful"])
def test_events_of_writes_and_other_solutions_change_nothing(kind):
    assert interpreted(an_event(kind, {"referenceCompany": REFERENCE})) is None


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["read.completed", "x.read.completed", "company.created",
                          "company.product.removed", "connection.deleted",
                          "client.rateLimit.reached"]),
    field=st.sampled_from(["dataTypes", "connection", "products", "name", "expiryDate",
                           "modifiedFromDate", "referenceCompany", "productId"]),
    value=json_values,
)  # fmt: skip
def test_any_payload_is_interpreted_or_never_projected(kind, field, value):
    payload = a_read_payload() | {
        "id": COMPANY, "productId": "x", "connection": {"id": CONNECTION, "status": "Linked"}
    }  # fmt: skip
    body = json.dumps(json.loads(an_event(kind, payload | {field: value}))).encode()
    with contextlib.suppress(NeverProjected):
        interpreted(body)
