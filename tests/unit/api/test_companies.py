"""Lists are paged over the shards: every match once, none twice, whatever the page's size."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codat_hub.api.queries.companies import Companies, Filter
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.assignment import Assignment, Status
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
        self.companies = {one.company_id: one for one in companies}

    def get(self, company_id):
        known = self.companies.get(company_id)
        return (known, 1) if known else (Company(company_id), 0)

    def get_many(self, company_ids):
        return {one: self.companies[one] for one in company_ids if one in self.companies}

    def ids(self, shard, after=None, limit=100):
        mine = sorted(one for one in self.companies if int(one[1:]) % SHARDS == shard)
        return [one for one in mine if after is None or one > after][:limit]


class Assigned:
    """Every second company has product `a`, every fourth of them is stale."""

    def __init__(self, directory):
        self._directory = directory

    def companies_with(self, product, shard, after=None, limit=100):
        ids = self._directory.ids(shard, after, limit=10**6)
        return [one for one in ids if product == "a" and int(one[1:]) % 2 == 0][:limit]

    def get_many(self, pairs):
        return {pair: self._one(*pair) for pair in pairs}

    def of_company(self, company_id):
        return [self._one(company_id, "a")]

    def _one(self, company_id, product):
        status = Status.STALE if int(company_id[1:]) % 4 == 0 else Status.ASSIGNED
        return Assignment(company_id, product, status)


def companies_of(number):
    directory = Directory(
        Company(
            f"c{one:05}",
            name=f"Company {one}",
            connections=LINKED if one % 3 == 0 else {},
            deleted_at=AT if one % 5 == 0 else None,
        )
        for one in range(number)
    )
    return Companies(directory, Assigned(directory), FakeReadStates(), SHARDS)


def walk(companies, wanted, limit):
    found, place, pages = [], Cursor(), 0
    while place is not None:
        page = companies.page(wanted, place, limit)
        assert len(page.companies) <= limit
        found += [int(one.company_id[1:]) for one in page.companies]
        place, pages = page.following, pages + 1
    return found, pages


FILTERS = {
    "all": (Filter(deleted=True), lambda one: True),
    "not deleted": (Filter(), lambda one: one % 5),
    "linked": (Filter(linked=True), lambda one: one % 5 and one % 3 == 0),
    "not linked": (Filter(linked=False), lambda one: one % 5 and one % 3),
    "name": (Filter(name="COMPANY 1"), lambda one: one % 5 and str(one).startswith("1")),
    "product": (Filter(product="a"), lambda one: one % 5 and one % 2 == 0),
    "status": (
        Filter(product="a", status=Status.STALE),
        lambda one: one % 5 and one % 4 == 0,
    ),
}


@pytest.mark.parametrize("name", FILTERS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 700), st.sampled_from([1, 7, 50, 200]))
def test_every_match_is_listed_once(name, number, limit):
    wanted, matches = FILTERS[name]
    found, _ = walk(companies_of(number), wanted, limit)
    assert sorted(found) == [one for one in range(number) if matches(one)]


def test_a_filter_that_nothing_matches_ends_in_bounded_requests():
    found, pages = walk(companies_of(5000), Filter(name="nobody"), 50)
    assert found == []
    assert pages <= 6


def test_one_company_is_shown_with_what_was_read_when():
    directory = Directory([Company("c00001")])
    reads = FakeReadStates()
    reads.put("c00001", "a", ReadState(last_read_at=AT), 0)
    view = Companies(directory, Assigned(directory), reads, SHARDS).one("c00001")
    assert view.reads == {"a": AT}
    assert view.assignments[0].product == "a"
    with pytest.raises(Absent):
        companies_of(1).one("c00009")
