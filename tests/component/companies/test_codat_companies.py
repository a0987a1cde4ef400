"""A company is found at Codat by the name that was sent, although Codat changes names."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.companies.adapters.codat_companies import CodatCompanies
from codat_hub.companies.domain.new_company import NewCompany
from tools.simulation.reconciling import Codats


@pytest.mark.parametrize("name", ["Smith (UK) Ltd", "Müller & Söhne", "Bäckerei (Ü)", "Plain Ltd"])
def test_a_company_is_found_by_a_name_from_which_codat_drops_characters(name):
    companies = CodatCompanies(Codats(companies=3).client)
    since = datetime.now(UTC) - timedelta(hours=1)
    made = companies.create(NewCompany(name), (), "key")
    assert [company.company_id for company in companies.created_since(name, since)] == [
        made.company_id
    ]
    assert companies.created_since("Another", since) == []
