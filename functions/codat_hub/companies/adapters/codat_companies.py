"""Companies and their products at Codat, in the words of the use cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codat_hub.codat.adapters.elements import Unread
from codat_hub.codat.errors import NotUnderstood
from codat_hub.companies.domain.new_company import CodatCompany

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from codat_hub.codat.adapters import models
    from codat_hub.codat.adapters.client import CodatClient
    from codat_hub.companies.domain.new_company import NewCompany


class CodatCompanies:
    """Companies at Codat. Every method makes its calls once and raises CallFailed."""

    def __init__(self, client: CodatClient) -> None:
        self._client = client

    def company(self, company_id: str) -> CodatCompany:
        return _company(self._client.company(company_id).value)

    def create(self, new: NewCompany, products: Sequence[str], key: str) -> CodatCompany:
        answer = self._client.create_company(
            new.name,
            description=new.description,
            tags=dict(new.tags) or None,
            products=list(products) or None,
            idempotency_key=key,
        )
        return _company(answer.value)

    def created_since(self, name: str, since: datetime) -> list[CodatCompany]:
        """Return the companies of this name created at `since` or later, the newest first.

        Raises NotUnderstood for an unreadable company that may be one of them.
        """
        found = []
        for company in self._client.companies(order_by="-created"):
            if isinstance(company, Unread):
                if company.name is None or _kept(company.name) == _kept(name):
                    raise NotUnderstood(f"cannot read a company of the list ({company.fault})")
                continue
            created = None if company.created is None else company.created.moment
            if created is not None and created < since:
                break
            if created is not None and _kept(company.name) == _kept(name):
                found.append(_company(company))
        return found

    def add_product(self, company_id: str, product: str) -> None:
        self._client.add_product(company_id, product)

    def remove_product(self, company_id: str, product: str) -> None:
        self._client.remove_product(company_id, product)


def _kept(name: str | None) -> str:
    """Return the characters of a name that Codat keeps (docs/codat.md, C59)."""
    return re.sub(r"[^A-Za-z0-9\s\-',&@.?!]", "", name or "").strip()


def _company(company: models.WireCompany) -> CodatCompany:
    return CodatCompany(company.id, company.name, company.products, company.redirect)
