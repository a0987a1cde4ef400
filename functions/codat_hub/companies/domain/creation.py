"""How far the creation of a company has come; a repeat of the request goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.codat.domain.idempotency import HeldKey
    from codat_hub.companies.domain.new_company import CodatCompany, CreatedCompany


@dataclass(frozen=True, slots=True)
class Creation:
    """fingerprint: of the request; by: who sent it first, an ARN

    held: the key of Codat's that the next call of `POST /companies` takes
    company: once it is created; outcome: once all is done, the answer to every repeat
    """

    fingerprint: str
    by: str
    begun_at: datetime
    held: HeldKey | None = None
    company: CodatCompany | None = None
    outcome: CreatedCompany | None = None
