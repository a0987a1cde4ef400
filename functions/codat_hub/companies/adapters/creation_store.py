"""Requests with an `Idempotency-Key` and their progress, in the State table."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.idempotency import HeldKey
from codat_hub.companies.domain.creation import Creation
from codat_hub.companies.domain.new_company import CodatCompany, CreatedCompany, ProductOutcome
from codat_hub.storage.items import ItemKey, moment_or_none, spell, spell_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.storage.state_table import StateTable

_KEPT: Final = timedelta(days=30)


class CreationStore:
    """Creations in the State table.

    The items: `fingerprint`, `by`, `begun_at`, `expires_at` (TTL, epoch seconds), `held`: `[key,
    open_since, unresolved_since]`, `company`: `[id, name, products, link_url]`, `outcome`: for each
    product `[product, status, detail]`.
    """

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, key: str) -> tuple[Creation | None, int]:
        """Return a creation and its version; None and 0 if there is none. Raises Unavailable."""
        stored = self._table.get(_key(key))
        return (_creation(stored.attributes), stored.version) if stored.version else (None, 0)

    def put(self, key: str, creation: Creation, version: int) -> bool:
        """Write over the version that was read; tell whether it was still that one."""
        return self._table.put(_key(key), _item(creation), version)


def _key(key: str) -> ItemKey:
    return ItemKey(f"REQUEST#{key}", "CREATE_COMPANY")


def _item(creation: Creation) -> dict[str, Any]:
    held, company, outcome = creation.held, creation.company, creation.outcome
    return {
        "fingerprint": creation.fingerprint,
        "by": creation.by,
        "begun_at": spell(creation.begun_at),
        "expires_at": int((creation.begun_at + _KEPT).timestamp()),
        "held": held
        and [held.value, spell_or_none(held.open_since), spell_or_none(held.unresolved_since)],
        "company": company
        and [
            company.company_id,
            company.name,
            None if company.products is None else list(company.products),
            company.link_url,
        ],
        "outcome": outcome and [list(asdict(product).values()) for product in outcome.products],
    }


def _creation(item: Mapping[str, Any]) -> Creation:
    held, company, outcome = item.get("held"), item.get("company"), item.get("outcome")
    at_codat = None if company is None else _codat_company(company)
    return Creation(
        fingerprint=item["fingerprint"],
        by=item["by"],
        begun_at=datetime.fromisoformat(item["begun_at"]),
        held=held and HeldKey(held[0], moment_or_none(held[1]), moment_or_none(held[2])),
        company=at_codat,
        outcome=None
        if outcome is None or at_codat is None
        else CreatedCompany(at_codat, tuple(ProductOutcome(*row) for row in outcome)),
    )


def _codat_company(row: list[Any]) -> CodatCompany:
    company_id, name, products, link_url = row
    return CodatCompany(company_id, name, None if products is None else tuple(products), link_url)
