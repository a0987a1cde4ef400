"""Entries of the directory on moto, and in its fake, come back as written and are listed."""

import pytest

from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.company import Company
from codat_hub.storage.items import SHARDS, shard_of
from codat_hub.storage.state_table import StateTable
from tests.support.builders import COMPANY
from tests.support.fakes import FakeCompanies
from tools.simulation.tables import create_table


@pytest.fixture
def table(dynamodb):
    return StateTable(dynamodb, create_table(dynamodb, "StateTable"))


@pytest.fixture(params=["real", "fake"])
def companies(request):
    real = request.param == "real"
    return CompanyStore(request.getfixturevalue("table")) if real else FakeCompanies()


def test_an_unknown_company_is_empty_and_of_version_0(companies):
    assert companies.get(COMPANY) == (Company(COMPANY), 0)
    assert companies.put(Company(COMPANY, name="H"), 0) is True
    assert companies.put(Company(COMPANY), 0) is False
    assert companies.get(COMPANY) == (Company(COMPANY, name="H"), 1)


def test_companies_are_listed_in_the_shard_of_their_id(table):
    companies = CompanyStore(table)
    names = [f"company-{n}" for n in range(40)]
    for name in names:
        companies.put(Company(name, name=name), 0)
    listed = {shard: companies.ids(shard) for shard in range(SHARDS)}
    assert sorted(name for ids in listed.values() for name in ids) == sorted(names)
    assert all(shard_of(name) == shard for shard, ids in listed.items() for name in ids)
    assert companies.get_many(["company-3", "nobody"]) == {
        "company-3": Company("company-3", "company-3")
    }
