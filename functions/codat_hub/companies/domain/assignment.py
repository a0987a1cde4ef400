"""A product on a company: its status at Codat, and the customer's consent to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from codat_hub.companies.domain.consent import covers
from codat_hub.companies.domain.product_changes import ProductTimes

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
    added_at, removed_at: when the hub's newest call that adds, or removes, the product left
    full_load_owed_at: when a person asked for a full load, the newest time
    """

    company_id: str
    product: str
    status: AssignmentStatus = AssignmentStatus.ABSENT
    changed_at: datetime | None = None
    changed_by: str | None = None
    consent: Consent | None = None
    unsettled_until: datetime | None = None
    added_at: datetime | None = None
    removed_at: datetime | None = None
    full_load_owed_at: datetime | None = None

    @property
    def changes(self) -> ProductTimes:
        """Return the newest changes of the product by the hub, and the full load that is owed."""
        there = self.status in {AssignmentStatus.ADDING, AssignmentStatus.ASSIGNED}
        return ProductTimes(
            () if self.removed_at is None else (self.removed_at,),
            () if self.added_at is None else (self.added_at,),
            (self.changed_at,) if there and self.changed_at is not None else (),
            () if self.full_load_owed_at is None else (self.full_load_owed_at,),
        )

    def with_removal(self, at: datetime) -> Assignment:
        """Return it with a removal whose call leaves at a time; a repeat keeps the first time."""
        repeated = self.status is AssignmentStatus.REMOVING and self.removed_at is not None
        return self if repeated else replace(self, removed_at=at)

    def may_be_read(self, product: Product) -> bool:
        """Tell whether the hub may ask Codat to read the company's data for this product."""
        return self.status is AssignmentStatus.ASSIGNED and covers(self.consent, product)
