"""Freshness is listed page by page: each product of each company once, its rows together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.adapters.assignment_store import AssignmentStore, assignment_key
from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.companies.domain.consent import Consent
from codat_hub.errors import Absent
from codat_hub.product_events.adapters.read_state_store import ReadStateStore
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.product_events.usecases import measure_freshness
from codat_hub.product_events.usecases.list_overdue import ListOverdue
from codat_hub.product_events.usecases.measure_freshness import MeasureFreshness, OverdueCursor
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.storage.cursor import Cursor
from codat_hub.storage.items import SHARDS, company_key
from tools.simulation.fakes import FakeStateTable
from tools.simulation.many_products import Cost, product_names

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
CUSTOM = Product(
    "invoice-finance",
    ProductKind.CUSTOM,
    data_types=("invoices",),
    schedule=Schedule("rate(1 day)"),
)
STANDARD = Product("lending", ProductKind.STANDARD)
CONSENT = Consent("invoice-finance", LONG_AGO, "owner", "v1", ("invoices",))


class Hub:
    """A hub with both products registered; `measure` is under test."""

    def __init__(self):
        table = self.table = FakeStateTable()
        self.companies, self.assignments = CompanyStore(table), AssignmentStore(table)
        self.read_states = ReadStateStore(table)
        self.registered = {product.identifier: product for product in (CUSTOM, STANDARD)}
        self.measure = MeasureFreshness(
            self.companies, self.assignments, self.read_states, self, SHARDS, lambda: NOW
        )

    def products(self):
        return self.registered

    def assign(self, company_id, product="invoice-finance", status=AssignmentStatus.ASSIGNED):
        company, version = self.companies.get(company_id)
        if not version:
            linked = Connection(Stamp(LONG_AGO, "e"), "Linked")
            self.companies.put(Company(company.company_id, connections={"k": linked}), 0)
        consent = None if product == "lending" else replace(CONSENT, product=product)
        self.assignments.put(Assignment(company_id, product, status, LONG_AGO, "a", consent), 0)

    def read(self, company_id, product, at):
        self.read_states.put(company_id, product, ReadState(last_read_at=at), 0)

    def listed(self):
        """List what is overdue, as the planner does at a slot."""
        ids = [company for shard in range(SHARDS) for company in self.companies.ids(shard)]
        pairs = [(company, name) for company in ids for name in self.registered]
        assignments = self.assignments.get_many(pairs).values()
        ListOverdue(self.read_states)(assignments, self.companies.get_many(ids), self.registered)

    def pages(self, limit, product=None, *, overdue=False):
        pages, start = [], OverdueCursor() if overdue else Cursor()
        while start is not None:
            page = (self.measure.overdue if overdue else self.measure.page)(product, start, limit)
            pages.append(page.rows)
            start = page.following
        return pages


@pytest.fixture
def hub():
    return Hub()


def pairs(rows):
    return [(row.company_id, row.product) for row in rows]


@given(
    held=st.dictionaries(
        st.text("abc", min_size=1, max_size=4),
        st.sets(st.sampled_from(["invoice-finance", "lending"]), min_size=1),
        max_size=12,
    ),
    limit=st.integers(1, 8),
)
def test_any_pages_hold_each_assignment_once_and_keep_a_company_together(held, limit):
    hub = Hub()
    for company_id, products in held.items():
        for product in products:
            hub.assign(company_id, product)
    pages = hub.pages(limit)
    listed = [pair for page in pages for pair in pairs(page)]
    assert sorted(listed) == sorted((company, name) for company in held for name in held[company])
    companies = [company for page in pages for company in {row.company_id for row in page}]
    assert len(companies) == len(set(companies))
    assert all(len(page) <= limit + 1 for page in pages)


def test_a_page_of_one_product_leaves_the_others_out(hub):
    hub.assign("c1", "lending")
    hub.assign("c2")
    assert [pairs(page) for page in hub.pages(10, "lending")] == [[("c1", "lending")]]


def test_an_absent_assignment_has_no_row(hub):
    hub.assign("c1", status=AssignmentStatus.ABSENT)
    assert hub.pages(10) == [()]
    assert hub.measure.of_company("c1") == []


def test_a_standard_product_is_as_fresh_as_the_plain_reads(hub):
    hub.assign("c1", "lending")
    hub.assign("c1")
    hub.read("c1", None, NOW)
    hub.read("c1", "invoice-finance", LONG_AGO)
    assert {row.product: row.last_read_at for row in hub.measure.of_company("c1")} == {
        "lending": NOW,
        "invoice-finance": LONG_AGO,
    }


def test_only_overdue_rows_are_listed_on_request(hub):
    for company_id in ("c1", "c2", "c3"):
        hub.assign(company_id)
    hub.read("c2", "invoice-finance", NOW - timedelta(hours=1))
    hub.listed()
    (overdue,) = hub.pages(10, overdue=True)
    assert sorted(pairs(overdue)) == [("c1", "invoice-finance"), ("c3", "invoice-finance")]


def test_one_product_of_a_company_may_be_asked_for(hub):
    hub.assign("c1")
    hub.assign("c1", "lending")
    assert pairs(hub.measure.of_company("c1", "lending")) == [("c1", "lending")]


def test_a_company_unknown_to_the_directory_is_measured_as_not_linked(hub):
    hub.assignments.put(Assignment("c9", "lending", AssignmentStatus.ASSIGNED, LONG_AGO), 0)
    (row,) = hub.measure.of_company("c9")
    assert (row.linked, row.overdue) == (False, False)


def test_a_company_that_the_hub_does_not_know_at_all_is_absent(hub):
    with pytest.raises(Absent, match="The hub knows no company c9"):
        hub.measure.of_company("c9")


def test_a_page_ends_after_enough_companies_even_without_a_row(hub, monkeypatch):
    monkeypatch.setattr(measure_freshness, "_PAGE", 2)
    monkeypatch.setattr(measure_freshness, "_MOST_COMPANIES", 4)
    for number in range(40):
        hub.assign(f"c{number:02}", status=AssignmentStatus.ABSENT)
    first = hub.measure.page(None, Cursor(), 10)
    assert first.rows == ()
    assert first.following is not None
    assert len(hub.pages(10)) > 6


def test_an_unreadable_item_costs_its_row_and_nothing_beside_it(hub):
    for company_id in ("c1", "c2", "c3"):
        hub.assign(company_id)
    hub.listed()
    hub.table.spoil(assignment_key("c1", "invoice-finance"), status="paused")
    hub.table.spoil(company_key("c2", "READS#invoice-finance"), keys="none")
    for overdue in (False, True):
        assert [pairs(rows) for rows in hub.pages(10, overdue=overdue)] == [
            [("c3", "invoice-finance")]
        ]
    assert hub.measure.of_company("c1") == []


class TestOverdue:
    """What is overdue is listed by the index, in pages that cost a fixed number of reads."""

    def late(self, hub, count, product="invoice-finance"):
        for number in range(count):
            hub.assign(f"c{number:03}", product)
            hub.read(f"c{number:03}", product, LONG_AGO + timedelta(minutes=number))
        hub.listed()

    @pytest.mark.parametrize("limit", [1, 7, 200])
    def test_the_longest_overdue_come_first_each_once(self, hub, limit):
        self.late(hub, 120)
        pages = hub.pages(limit, overdue=True)
        assert all(len(rows) <= limit for rows in pages)
        listed = [row.company_id for rows in pages for row in rows]
        assert listed == [f"c{number:03}" for number in range(120)]

    def test_what_cannot_be_read_any_more_has_no_row(self, hub):
        self.late(hub, 3)
        removed, version = hub.assignments.get("c001", "invoice-finance")
        absent = replace(removed, status=AssignmentStatus.ABSENT)
        assert hub.assignments.put(absent, version)
        (rows,) = hub.pages(10, overdue=True)
        assert [row.company_id for row in rows] == ["c000", "c002"]

    def test_a_product_without_an_enabled_schedule_is_passed_over(self, hub):
        self.late(hub, 3)
        off = replace(CUSTOM.schedule, enabled=False)
        hub.registered["invoice-finance"] = replace(CUSTOM, schedule=off)
        with Cost(hub.table) as cost:
            assert hub.pages(10, overdue=True) == [()]
        assert cost.reads == 0

    def test_one_product_may_be_asked_for(self, hub):
        self.late(hub, 2)
        assert [len(rows) for rows in hub.pages(10, "invoice-finance", overdue=True)] == [2]
        assert hub.pages(10, "lending", overdue=True) == [()]
        assert hub.pages(10, "unknown", overdue=True) == [()]

    @pytest.mark.parametrize("late", [True, False])
    def test_200_products_cost_a_request_200_reads_at_most(self, hub, late):
        names = product_names(200)
        hub.registered = {name: replace(CUSTOM, identifier=name) for name in names}
        for number in range(30 if late else 0):
            for name in names:
                hub.assign(f"c{number:03}", name)
        hub.listed()
        start, rows, pages = OverdueCursor(), 0, 0
        while start is not None:
            with Cost(hub.table) as cost:
                page = hub.measure.overdue(None, start, 200)
            assert cost.reads <= 200
            start, rows, pages = page.following, rows + len(page.rows), pages + 1
        assert rows == (6000 if late else 0)
        assert pages <= (6000 / 45 if late else 2)
