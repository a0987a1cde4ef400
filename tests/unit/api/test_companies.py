"""Companies are listed page by page over the shards: every match once, whatever the page size."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.api.queries.companies import CompanyFilter, CompanyQueries
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.company import Company, Connection
from codat_hub.errors import Absent
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.storage.cursor import Cursor
from tests.support.fakes import FakeReadStates

AT = datetime(2026, 7, 1, tzinfo=UTC)
SHARDS = 3
LINKED = {"c": Connection(Stamp(AT, "e"), "Linked")}


class Directory:
    def __init__(self, companies):
        self.companies = {company.company_id: company for company in companies}

    def get(self, company_id):
        known = self.companies.get(company_id)
        return (known, 1) if known else (Company(company_id), 0)

    def get_many(self, company_ids):
        return {
            company_id: self.companies[company_id]
            for company_id in company_ids
            if company_id in self.companies
        }

    def ids(self, shard, after=None, limit=100):
        mine = sorted(
            company_id for company_id in self.companies if int(company_id[1:]) % SHARDS == shard
        )
        return [company_id for company_id in mine if after is None or company_id > after][:limit]


class Assigned:
    """Every second company has product `a`; every fourth company's is stale."""

    def __init__(self, directory):
        self._directory = directory

    def companies_with(self, product, shard, after=None, limit=100):
        ids = self._directory.ids(shard, after, limit=10**6)
        return [
            company_id for company_id in ids if product == "a" and int(company_id[1:]) % 2 == 0
        ][:limit]

    def get_many(self, pairs):
        return {pair: self._assignment(*pair) for pair in pairs}

    def of_company(self, company_id):
        return [self._assignment(company_id, "a")]

    def _assignment(self, company_id, product):
        status = (
            AssignmentStatus.STALE if int(company_id[1:]) % 4 == 0 else AssignmentStatus.ASSIGNED
        )
        return Assignment(company_id, product, status)


def companies_of(count):
    directory = Directory(
        Company(
            f"c{number:05}",
            name=f"Company {number}",
            connections=LINKED if number % 3 == 0 else {},
            deleted_at=AT if number % 5 == 0 else None,
        )
        for number in range(count)
    )
    return CompanyQueries(directory, Assigned(directory), FakeReadStates(), SHARDS)


def walk(companies, wanted, limit):
    found, place, pages = [], Cursor(), 0
    while place is not None:
        page = companies.page(wanted, place, limit)
        assert len(page.companies) <= limit
        found += [int(company.company_id[1:]) for company in page.companies]
        place, pages = page.following, pages + 1
    return found, pages


FILTERS = {
    "all": (CompanyFilter(deleted=True), lambda _number: True),
    "not deleted": (CompanyFilter(), lambda number: number % 5),
    "linked": (CompanyFilter(linked=True), lambda number: number % 5 and number % 3 == 0),
    "not linked": (CompanyFilter(linked=False), lambda number: number % 5 and number % 3),
    "name": (
        CompanyFilter(name="COMPANY 1"),
        lambda number: number % 5 and str(number).startswith("1"),
    ),
    "product": (CompanyFilter(product="a"), lambda number: number % 5 and number % 2 == 0),
    "status": (
        CompanyFilter(product="a", status=AssignmentStatus.STALE),
        lambda number: number % 5 and number % 4 == 0,
    ),
}


@pytest.mark.parametrize("name", FILTERS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 700), st.sampled_from([1, 7, 50, 200]))
def test_every_match_is_listed_once(name, count, limit):
    wanted, matches = FILTERS[name]
    found, _ = walk(companies_of(count), wanted, limit)
    assert sorted(found) == [number for number in range(count) if matches(number)]


def test_a_filter_that_nothing_matches_ends_in_bounded_requests():
    found, pages = walk(companies_of(5000), CompanyFilter(name="nobody"), 50)
    assert found == []
    assert pages <= 6


def test_a_company_is_shown_with_its_assignments_and_last_reads():
    directory = Directory([Company("c00001")])
    reads = FakeReadStates()
    reads.put("c00001", "a", ReadState(last_read_at=AT), 0)
    view = CompanyQueries(directory, Assigned(directory), reads, SHARDS).show("c00001")
    assert view.reads == {"a": AT}
    assert view.assignments[0].product == "a"
    with pytest.raises(Absent, match="The hub knows no company c00009"):
        companies_of(1).show("c00009")
