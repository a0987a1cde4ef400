"""A customer's consent to a product: given by, text, data types (docs/codat.md, C62)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.products.domain.product import Product


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent; `granted_by` is the person at the customer, as the client names them."""

    product: str
    granted_at: datetime
    granted_by: str
    text_version: str
    data_types: tuple[str, ...]
    revoked_at: datetime | None = None

    @property
    def active(self) -> bool:
        """Tell whether the consent is not revoked."""
        return self.revoked_at is None


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """An entry of the ledger: the consent as it is from this entry on.

    number: 1, 2, … for each company and product; the highest is the newest, whatever the times
    by: the ARN of the caller
    reason: of the revocation; None for a grant
    """

    number: int
    consent: Consent
    by: str
    reason: str | None = None


def covers(consent: Consent | None, product: Product) -> bool:
    """Tell whether there is an active consent to all data types of the product."""
    return consent is not None and consent.active and not missing(consent, product)


def missing(consent: Consent | None, product: Product) -> tuple[str, ...]:
    """Return the data types that the consent does not cover, in the product's order."""
    covered = set(consent.data_types) if consent and consent.active else set()
    return tuple(data_type for data_type in product.data_types if data_type not in covered)
