"""The consumer that teams copy reads exactly the window, once, and again after a failure."""

import httpx
import pytest

from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.product_events.domain.read_state import ReadState, project
from tests.support.histories import Ledger, a_read, entry
from tools.example_consumer.consumer import Consumer, TryLater
from tools.example_consumer.paths import path_of
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
    with pytest.raises(TryLater):
        consumer.handle(detail)
    consumer.handle(detail)
    consumer.handle(detail)
    assert len(codat.asked) == 2


def test_a_resent_event_is_handled_again_and_each_resend_once():
    codat = FakeCodat(*[[record("1", day)] for day in (1, 2, 3)])
    consumer = a_consumer(codat)
    (detail,) = details(a_read(1))
    for resend in (None, None, "r1", "r1", "r2"):
        consumer.handle(detail, resend)
    assert len(codat.asked) == 3


def test_a_slow_full_load_hides_no_newer_version():
    """The first, full load is handled last, and has the records as they were before."""
    full, later = details(a_read(1), a_read(2, since=1))
    codat = FakeCodat([record("1", 2), record("2", 2)], [record("1", 1), record("3", 1)])
    consumer = a_consumer(codat)
    consumer.handle(later)
    consumer.handle(full)
    (records,) = consumer.records.values()
    assert {name: item["modifiedDate"][8:10] for name, item in records.items()} == {
        "1": "02", "2": "02", "3": "01"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00.5Z"),  # as texts "." sorts before "Z"
        ("2026-07-01T10:00:00.1234567Z", "2026-07-01T10:00:01"),
        (None, "2026-07-01T10:00:00Z"),
    ],
)
def test_dates_are_compared_as_times(older, newer):
    first, second = details(a_read(1), a_read(2, since=1))
    for order in ((first, second), (second, first)):
        versions = {first["event_key"]: older, second["event_key"]: newer}
        pages = [[{"id": "1", "modifiedDate": versions[detail["event_key"]]}] for detail in order]
        consumer = a_consumer(FakeCodat(*pages))
        for detail in order:
            consumer.handle(detail)
        (records,) = consumer.records.values()
        assert records["1"]["modifiedDate"] == newer


def test_of_records_without_a_date_that_of_the_later_event_counts():
    first, second = details(a_read(1, entry("company")), a_read(2, entry("company"), since=1))
    for order in ((first, second), (second, first)):
        answers = [{"companyName": detail["occurred_at"]} for detail in order]
        consumer = a_consumer(Whole(*answers))
        for detail in order:
            consumer.handle(detail)
        (records,) = consumer.records.values()
        assert records == {"company": {"companyName": second["occurred_at"]}}


class Whole:
    """Answers with whole objects, one after the other."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, request):
        self.asked.append(request.url)
        return httpx.Response(200, json=self.answers.pop(0))


def test_a_data_type_that_codat_does_not_serve_costs_itself():
    codat = FakeCodat(404, [record("1", 1)])
    consumer = a_consumer(codat)
    (detail,) = details(a_read(1, entry("invoices"), entry("payments")))
    consumer.handle(detail)
    consumer.handle(detail)
    assert len(codat.asked) == 2
    assert [key[1] for key, found in consumer.records.items() if found] == ["payments"]


def test_one_that_is_still_syncing_holds_up_no_other_and_comes_again():
    codat = FakeCodat(409, [record("1", 1)], [record("2", 1)], [record("1", 1)])
    consumer = a_consumer(codat)
    (detail,) = details(a_read(1, entry("invoices"), entry("payments")))
    with pytest.raises(TryLater):
        consumer.handle(detail)
    assert [key[1] for key, found in consumer.records.items() if found] == ["payments"]
    consumer.handle(detail)
    assert sorted(key[1] for key, found in consumer.records.items() if found) == [
        "invoices", "payments"
    ]  # fmt: skip


@pytest.mark.parametrize(("header", "seconds"), [("3600", 3600), (None, None), ("soon", None)])
def test_once_the_quota_is_used_up_no_further_call_is_made(header, seconds):
    asked = []

    def refuse(request):
        asked.append(request.url)
        return httpx.Response(429, headers={"Retry-After": header} if header else {})

    (detail,) = details(a_read(1, entry("invoices"), entry("payments")))
    with pytest.raises(TryLater) as refusal:
        a_consumer(refuse).handle(detail)
    assert (len(asked), refusal.value.seconds) == (1, seconds)


def test_bank_transactions_are_read_account_by_account():
    codat = FakeCodat([{"id": "acc/1"}, {"id": "acc2"}], [record("1", 1)], [record("2", 1)])
    consumer = a_consumer(codat)
    (detail,) = details(a_read(1, entry("bankTransactions", "bank")))
    consumer.handle(detail)
    start = "/companies/5b0f9c1e-7a54-4d0c-9f35-2f7d3f7c1a10/connections/bank/data/bankAccounts"
    assert [url.raw_path.decode().partition("?")[0] for url in codat.asked] == [
        start, f"{start}/acc%2F1/bankTransactions", f"{start}/acc2/bankTransactions"
    ]  # fmt: skip
    (records,) = consumer.records.values()
    assert set(records) == {"1", "2"}


PATHS = {
    "company": "/companies/c/data/info",
    "chartOfAccounts": "/companies/c/data/accounts",
    "invoices": "/companies/c/data/invoices",
    "balanceSheet": "/companies/c/data/financials/balanceSheet",
    "cashFlowStatement": "/companies/c/data/financials/cashFlowStatement",
    "profitAndLoss": "/companies/c/data/financials/profitAndLoss",
    "accountTransactions": "/companies/c/connections/k/data/accountTransactions",
    "bankAccounts": "/companies/c/connections/k/data/bankAccounts",
    "directCosts": "/companies/c/connections/k/data/directCosts",
    "directIncomes": "/companies/c/connections/k/data/directIncomes",
    "itemReceipts": "/companies/c/connections/k/data/itemReceipts",
    "transfers": "/companies/c/connections/k/data/transfers",
    "banking-transactions": "/companies/c/connections/k/data/banking-transactions",
    "commerce-companyInfo": "/companies/c/connections/k/data/commerce-info",
    "commerce-orders": "/companies/c/connections/k/data/commerce-orders",
}


@pytest.mark.parametrize(("data_type", "path"), PATHS.items())
def test_a_data_type_is_read_where_codat_serves_it(data_type, path):
    assert path_of("c", "k", data_type) == path


def test_most_data_types_of_accounting_are_the_companys_and_all_others_a_connections():
    of_company = {name for name in DATA_TYPES if "/connections/" not in path_of("c", "k", name)}
    assert len(of_company) == 21
    assert not {name for name in of_company if name.startswith(("banking-", "commerce-"))}


def test_what_comes_whole_is_asked_for_without_a_query_or_a_page():
    codat = Whole({"locations": []})
    first, second = details(
        a_read(1, entry("commerce-locations")), a_read(2, entry("commerce-locations"), since=1)
    )
    codat.answers = [[{"id": "1"}], {"results": [{"id": "2"}]}]
    consumer = a_consumer(codat)
    consumer.handle(first)
    consumer.handle(second)
    assert [str(url.query) for url in codat.asked] == ["b''", "b''"]
    (records,) = consumer.records.values()
    assert set(records) == {"1", "2"}


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
