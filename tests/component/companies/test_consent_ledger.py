"""The ledger on moto and its fake behave the same."""

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from codat_hub.companies.adapters.consent_ledger import ConsentLedger
from codat_hub.companies.domain.consent import Consent, ConsentEntry
from codat_hub.errors import Unavailable
from tools.simulation.fakes import FakeConsentLedger
from tools.simulation.tables import create_table

AT = datetime(2026, 7, 1, 9, tzinfo=UTC)


def an_entry(number, product="product-a", **changes):
    consent = Consent(product, AT, "J. Baker", "1", ("invoices",), changes.pop("revoked_at", None))
    return ConsentEntry(number, consent, "arn:ann", **changes)


@pytest.fixture(params=["real", "fake"])
def ledger(request, dynamodb):
    if request.param == "fake":
        return FakeConsentLedger()
    return ConsentLedger(dynamodb, create_table(dynamodb, "ConsentsTable"))


def test_the_highest_number_is_the_newest_whatever_the_times(ledger):
    entries = [an_entry(number) for number in range(1, 12)]
    assert all(ledger.append("company-1", entry) for entry in entries)
    revoked = an_entry(12, revoked_at=AT.replace(year=2020), reason="a clock was wrong")
    assert ledger.append("company-1", revoked)
    assert ledger.newest("company-1", "product-a") == revoked


def test_an_entry_is_never_written_over(ledger):
    first = an_entry(1)
    assert ledger.append("company-1", first)
    assert not ledger.append("company-1", an_entry(1, reason="another"))
    assert ledger.entries("company-1") == [first]


def test_products_and_companies_are_kept_apart(ledger):
    names = ("product", "product-a", "product.b")
    for name in names:
        ledger.append("company-1", an_entry(1, name))
    ledger.append("company-2", an_entry(1, "product-z"))
    found = ledger.entries("company-1")
    assert sorted(entry.consent.product for entry in found) == sorted(names)
    assert ledger.newest("company-1", "product").consent.product == "product"
    assert ledger.newest("company-1", "none") is None
    assert ledger.entries("company-3") == []


def test_a_long_history_is_read_to_its_end(dynamodb):
    ledger = ConsentLedger(dynamodb, create_table(dynamodb, "ConsentsTable"))
    long_reason = "x" * 20_000  # 60 of them are more than one page of a query
    for number in range(1, 61):
        ledger.append("company-1", an_entry(number, reason=long_reason))
    assert len(ledger.entries("company-1")) == 60


def test_the_history_comes_in_pages(ledger):
    names = ("product", "product-a", "product.b")
    for name in names:
        for number in range(1, 12):
            ledger.append("company-1", an_entry(number, name))
    ledger.append("company-2", an_entry(1, "product"))
    pages, after = [], None
    while found := ledger.entries("company-1", after, 7):
        pages.append(found)
        after = (found[-1].consent.product, found[-1].number)
    listed = [(entry.consent.product, entry.number) for page in pages for entry in page]
    assert listed == [(name, number) for name in names for number in range(1, 12)]
    assert [len(page) for page in pages] == [7, 7, 7, 7, 5]


def test_the_newest_entry_of_each_product_is_found_whatever_the_history(ledger):
    assert ledger.newest_of_each("company-1") == []
    for name in ("product", "product-a", "product.b"):
        for number in range(1, 12):
            ledger.append("company-1", an_entry(number, name))
    ledger.append("company-2", an_entry(1, "product-z"))
    newest = [(entry.consent.product, entry.number) for entry in ledger.newest_of_each("company-1")]
    assert newest == [("product", 11), ("product-a", 11), ("product.b", 11)]


def test_a_table_that_is_gone_is_unavailable(dynamodb):
    ledger = ConsentLedger(dynamodb, "nowhere")
    for act in (
        lambda: ledger.newest("company-1", "product-a"),
        lambda: ledger.entries("company-1"),
        lambda: ledger.newest_of_each("company-1"),
        lambda: ledger.append("company-1", an_entry(1)),
    ):
        with pytest.raises(Unavailable) as raised:
            act()
        assert isinstance(raised.value.__cause__, ClientError)
