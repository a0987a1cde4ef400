"""A product on a company: its status at Codat, and the customer's consent to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from codat_hub.companies.domain.consent import covers

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.companies.domain.consent import Consent
    from codat_hub.products.domain.product import Product


class AssignmentStatus(StrEnum):
    """Whether Codat has the product; `adding` and `removing` are written before Codat is called."""

    ABSENT = "absent"
    ADDING = "adding"
    ASSIGNED = "assigned"
    REMOVING = "removing"
    STALE = "stale"  # Codat answered 404; reconcile decides what is gone


@dataclass(frozen=True, slots=True)
class Assignment:
    """A product on a company.

    changed_by: the ARN of the caller, or the part of the hub that found the change
    consent: a copy of the newest consent, for readers of many assignments; the ledger decides
    unsettled_until: until then a call that adds the product may still arrive at Codat
    """

    company_id: str
    product: str
    status: AssignmentStatus = AssignmentStatus.ABSENT
    changed_at: datetime | None = None
    changed_by: str | None = None
    consent: Consent | None = None
    unsettled_until: datetime | None = None

    def may_be_read(self, product: Product) -> bool:
        """Tell whether the hub may ask Codat to read the company's data for this product."""
        return self.status is AssignmentStatus.ASSIGNED and covers(self.consent, product)
