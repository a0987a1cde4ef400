"""Find a company of the directory; what looks there for an unknown one has the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codat_hub.errors import Absent

if TYPE_CHECKING:
    from codat_hub.companies.domain.company import Company
    from codat_hub.companies.ports import Companies


def known_company(companies: Companies, company_id: str) -> Company:
    """Return a company of the directory. Raises Absent for an unknown one, and Unreadable."""
    company, version = companies.get(company_id)
    if not version:
        raise Absent(
            f"The hub knows no company {company_id}. `tools/hub companies list` shows the known"
            " ones; `tools/hub reconcile start` learns one that Codat has."
        )
    return company
