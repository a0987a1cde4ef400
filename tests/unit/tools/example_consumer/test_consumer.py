"""The consumer that teams copy reads exactly the window, once, and again after a failure."""

import httpx
import pytest

from codat_hub.product_events.domain.read_state import ReadState, project
from tests.support.histories import Ledger, a_read, entry
from tools.example_consumer.consumer import Consumer
from tools.samconfig import ROOT


class FakeCodat:
    """Answers with pages of records and keeps what it was asked."""

    def __init__(self, *pages):
        self.pages = list(pages)
        self.asked = []

    def __call__(self, request):
        self.asked.append(request.url)
        page = self.pages.pop(0)
        if isinstance(page, int):
            return httpx.Response(page)
        links = {"next": {}} if self.pages and self.pages[0] == "…" else {}
        if links:
            self.pages.pop(0)
        return httpx.Response(200, json={"results": page, "_links": links})


def a_consumer(codat):
    transport = httpx.MockTransport(codat)
    return Consumer(httpx.Client(base_url="https://codat.test", transport=transport))


def record(name, day):
    return {"id": name, "modifiedDate": f"2026-07-{day:02}T00:00:00Z"}


def details(*reads):
    return [event.detail() for event in Ledger().take(*reads).published]


def test_the_first_event_reads_everything_the_next_exactly_its_window_page_by_page():
    codat = FakeCodat([record("1", 1), record("2", 1)], [record("2", 2)], "…", [record("3", 2)])
    consumer = a_consumer(codat)
    for detail in details(a_read(1), a_read(2, since=1)):
        consumer.handle(detail)
    assert "query" not in codat.asked[0].params
    assert codat.asked[1].params["query"] == "modifiedDate>=2026-07-01T01:00:00.000000Z"
    assert [url.params["page"] for url in codat.asked] == ["1", "1", "2"]
    (records,) = consumer.records.values()
    assert {name: item["modifiedDate"][8:10] for name, item in records.items()} == {
        "1": "01", "2": "02", "3": "02"
    }  # fmt: skip


def test_an_event_counts_once_and_a_failed_one_again():
    codat = FakeCodat(409, [record("1", 1)])
    consumer = a_consumer(codat)
    (detail,) = details(a_read(1))
    with pytest.raises(httpx.HTTPStatusError):
        consumer.handle(detail)
    consumer.handle(detail)
    consumer.handle(detail)
    assert len(codat.asked) == 2


def test_a_data_type_that_did_not_end_complete_is_not_read():
    codat = FakeCodat()
    event = project(ReadState(), a_read(1, entry(status="FetchError"))).published
    a_consumer(codat).handle(event.detail())
    assert codat.asked == []


def test_bank_data_is_read_from_its_connection():
    codat = FakeCodat([])
    (detail,) = details(a_read(1, entry("banking-accounts", "bank")))
    a_consumer(codat).handle(detail)
    assert codat.asked[0].path.endswith("/connections/bank/data/banking-accounts")


def test_its_pattern_is_that_of_the_hubs_events():
    text = (ROOT / "tools/example_consumer/template.yaml").read_text()
    (detail,) = details(a_read(1))
    assert "source: [codat-hub]" in text
    assert f"version: [{detail['version']}]" in text
