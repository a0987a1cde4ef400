"""The progress of a request to create a company; a repeat goes on from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.codat.domain.idempotency import HeldKey
    from codat_hub.companies.domain.new_company import CodatCompany, CreatedCompany


@dataclass(frozen=True, slots=True)
class Creation:
    """The progress of a request to create a company.

    fingerprint: of the request's content
    by: the ARN of its first caller
    held: the idempotency key for the next call to Codat
    company: set once the company is created
    outcome: set once the products are assigned too: the answer to every repeat
    """

    fingerprint: str
    by: str
    begun_at: datetime
    held: HeldKey | None = None
    company: CodatCompany | None = None
    outcome: CreatedCompany | None = None
