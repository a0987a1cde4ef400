"""One product on one company: whether Codat has it, and whether the customer has agreed to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from codat_hub.companies.domain.consent import missing

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.companies.domain.consent import Consent
    from codat_hub.products.domain.product import Product


class Status(StrEnum):
    """`adding` and `removing` are intents: written before the call, so that a repeat finishes."""

    ABSENT = "absent"
    ADDING = "adding"
    ASSIGNED = "assigned"
    REMOVING = "removing"
    STALE = "stale"  # Codat answered 404: reconcile finds out what is true


@dataclass(frozen=True, slots=True)
class Assignment:
    """`changed_by`: the ARN of the caller, or the part of the hub that noticed.

    `consent` is the newest of the ledger, which is the truth; here it is for who reads many.
    `unsettled_until`: before that, a call that adds the product may still arrive at Codat.
    """

    company_id: str
    product: str
    status: Status = Status.ABSENT
    changed_at: datetime | None = None
    changed_by: str | None = None
    consent: Consent | None = None
    unsettled_until: datetime | None = None

    def may_be_read(self, product: Product) -> bool:
        """Tell whether the hub may ask Codat to read this product's data of this company."""
        agreed = self.consent is not None and self.consent.active
        return self.status is Status.ASSIGNED and agreed and not missing(self.consent, product)
