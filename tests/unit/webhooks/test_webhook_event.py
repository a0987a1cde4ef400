"""How event types are parsed, and which webhooks are recognised."""

import json
from dataclasses import asdict
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.webhooks.webhook_event import (
    MAX_NAME,
    ReadCompleted,
    Unrecognised,
    WebhookFacts,
    parse_read_completed,
    recognise,
)
from tests.support.builders import COMPANY, a_read_completed, a_read_payload, an_event

SUBS = ("initial", "successful", "unsuccessful")
KNOWN = {
    "read.completed",
    "company.created",
    "company.deleted",
    "company.product.added",
    "connection.connected",
    "bills.write.successful",
    "client.rateLimit.reached",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
segments = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
products = st.lists(segments, min_size=1, max_size=4).map(".".join)
sub_events = st.lists(st.sampled_from(SUBS), unique=True)


class TestReadCompletedGrammar:
    @given(product=st.none() | products, subs=sub_events)
    def test_product_and_sub_events_come_back_whatever_their_order(self, product, subs):
        event_type = ".".join([*([product] if product else []), "read.completed", *subs])
        assert parse_read_completed(event_type) == ReadCompleted(product, frozenset(subs))

    @pytest.mark.parametrize("order", list(permutations(SUBS[:2])))
    def test_both_published_word_orders_mean_the_same(self, order):
        read = parse_read_completed(f"read.completed.{'.'.join(order)}")
        assert read == ReadCompleted(None, frozenset({"initial", "successful"}))

    @pytest.mark.parametrize(
        ("event_type", "product"),
        [
            ("invoice-finance.read.completed", "invoice-finance"),
            ("acme.v2.read.completed.initial", "acme.v2"),
            ("read.completed.read.completed", "read.completed"),
            ("initial.read.completed.initial", "initial"),
        ],
    )
    def test_a_product_may_contain_hyphens_dots_and_words_of_the_grammar(self, event_type, product):
        read = parse_read_completed(event_type)
        assert read is not None
        assert read.product == product

    @pytest.mark.parametrize(
        "event_type",
        [
            "read.completed.",
            ".read.completed",
            "a..read.completed",
            "read.completed.partly",
            "read.completedx",
            "xread.completed",
            "read.completed\n",
            "read.completed.initial\n",
            "a b.read.completed",
            "bills.write.successful",
            "",
            "x" * MAX_NAME + ".read.completed",
        ],
    )
    def test_anything_else_is_not_a_read(self, event_type):
        assert parse_read_completed(event_type) is None

    @given(st.text(max_size=400))
    def test_any_text_is_parsed_or_declined(self, text):
        read = parse_read_completed(text)
        assert read is None or "read.completed" in text


class TestRecognise:
    def test_a_custom_products_read_names_company_and_product(self):
        assert recognise(a_read_completed("cashflow-insights", ".successful")) == WebhookFacts(
            event_id="f7580941-2b3c-4a4d-98f5-60718293a4b5",
            event_type="cashflow-insights.read.completed.successful",
            generated_date="2026-07-02T23:05:33.845Z",
            company_id=COMPANY,
            product="cashflow-insights",
        )

    def test_a_standard_read_has_no_product(self):
        assert recognise(a_read_completed(None)).product is None

    @pytest.mark.parametrize(
        ("event_type", "payload", "company", "product"),
        [
            ("company.created", {"id": "c1", "name": "n"}, "c1", None),
            ("company.deleted", {"id": "c1"}, "c1", None),
            ("company.created", {"referenceCompany": {"id": "c2"}, "id": "x"}, "c2", None),
            ("company.product.added", {"id": "c1", "productId": "lending"}, "c1", "lending"),
            ("company.product.removed", {"id": "c1", "productId": "a.b"}, "c1", "a.b"),
            (
                "connection.connected",
                {"referenceCompany": {"id": "c1"}, "connection": {"id": "k1"}},
                "c1",
                None,
            ),
            # on write events payload.id is the push operation, never the company
            (
                "bills.write.successful",
                {"id": "op", "referenceCompany": {"id": "c1"}},
                "c1",
                None,
            ),
            ("client.rateLimit.reached", {"dailyQuota": 1000}, None, None),
            ("expenses.sync.successful", {}, None, None),
            ("reports.creditModel.generate.successful", {}, None, None),
        ],
    )
    def test_each_family_keeps_its_ids_where_codat_puts_them(
        self, event_type, payload, company, product
    ):
        facts = recognise(an_event(event_type, payload))
        assert isinstance(facts, WebhookFacts)
        assert (facts.company_id, facts.product) == (company, product)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "body is not JSON"),
            (b"{", "body is not JSON"),
            (b"[" * 200_000, "body is not JSON"),
            (b'{"a":' + b"1" * 5000 + b"}", "body is not JSON"),
            (b"[]", "body is not a JSON object"),
            (an_event("no.such.event", {}), "unknown event type"),
            (an_event("DataSyncCompleted", {}), "unknown event type"),
            (an_event("read.completed", []), "payload is not an object"),
            (
                an_event("read.completed", a_read_payload(dataTypes=None)),
                "payload.dataTypes is not a list",
            ),
            (
                an_event("read.completed", a_read_payload(referenceCompany=None)),
                "payload.referenceCompany is not an object",
            ),
            (
                an_event("read.completed", a_read_payload(referenceCompany={"id": 7})),
                "payload.referenceCompany.id is not a text of 1 to 256 characters",
            ),
            (
                an_event("connection.connected", {"referenceCompany": {"id": "c"}}),
                "payload.connection is not an object",
            ),
            (
                an_event("company.product.added", {"id": "c"}),
                "payload.productId is not a text of 1 to 256 characters",
            ),
            (
                an_event("company.created", {"id": "\ud800"}),
                "payload.id is not a text of 1 to 256 characters",
            ),
            (
                an_event("company.created", {"id": "x" * 257}),
                "payload.id is not a text of 1 to 256 characters",
            ),
            (a_read_completed().replace(b"2026-07-02T", b"yesterday "), "generatedDate is not"),
            (
                an_event("read.completed", {}, id=None),
                "id is not a text of 1 to 256 characters",
            ),
        ],
        ids=lambda value: value[:40] if isinstance(value, str) else "",
    )
    def test_an_unrecognised_webhook_has_a_reason(self, body, reason):
        facts = recognise(body)
        assert isinstance(facts, Unrecognised)
        assert facts.quarantine.startswith(reason)

    @given(st.binary(max_size=200))
    def test_any_bytes_are_recognised_or_not(self, body):
        assert isinstance(recognise(body), WebhookFacts | Unrecognised)

    @given(json_values, json_values, st.sampled_from(sorted(KNOWN)))
    def test_every_fact_is_a_bounded_text_whatever_the_payload_holds(
        self, value, other, event_type
    ):
        payload = {"id": "c", "productId": value, "products": other, "name": other}
        payload |= {"referenceCompany": {"id": "c", "name": value}, "connection": {"id": "k"}}
        facts = recognise(an_event(event_type, payload | {"dataTypes": []}))
        if isinstance(facts, WebhookFacts):
            texts = [text for text in asdict(facts).values() if text is not None]
            assert all(isinstance(text, str) and len(text) <= MAX_NAME for text in texts)

    @given(
        json_values,
        st.sampled_from(["read.completed", "company.created", "connection.failed", "x"]),
    )
    def test_any_payload_is_recognised_or_not(self, payload, event_type):
        body = json.dumps({"eventType": event_type, "id": "1", "generatedDate": "2026-01-01"})
        event = json.loads(body) | {"payload": payload}
        assert isinstance(recognise(json.dumps(event).encode()), WebhookFacts | Unrecognised)
