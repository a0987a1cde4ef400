"""A company of the directory, or the one answer to an unknown id."""

import pytest

from codat_hub.companies.adapters.company_store import CompanyStore
from codat_hub.companies.domain.company import Company
from codat_hub.companies.usecases.known_company import known_company
from codat_hub.errors import Absent
from tools.simulation.fakes import FakeStateTable


@pytest.fixture
def companies():
    store = CompanyStore(FakeStateTable())
    assert store.put(Company("c1", name="Harbour Lane Bakery"), 0)
    return store


def test_a_company_of_the_directory_is_returned(companies):
    assert known_company(companies, "c1").name == "Harbour Lane Bakery"


def test_the_answer_to_an_unknown_id_names_the_commands_to_run_next(companies):
    with pytest.raises(Absent) as refused:
        known_company(companies, "c2")
    text = str(refused.value)
    assert "no company c2" in text
    assert "tools/hub companies list" in text
    assert "tools/hub reconcile start" in text
