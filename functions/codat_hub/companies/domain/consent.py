"""A customer's consent to a product: by whom, to which text and data types (docs/codat.md, C62)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.products.domain.product import Product


@dataclass(frozen=True, slots=True)
class Consent:
    """`granted_by`: the person at the customer, as the client names them. Times are aware."""

    product: str
    granted_at: datetime
    granted_by: str
    text_version: str
    data_types: tuple[str, ...]
    revoked_at: datetime | None = None

    @property
    def active(self) -> bool:
        return self.revoked_at is None


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One entry of the ledger: the consent as it is from here on.

    number: 1, 2, … per company and product; the highest is the newest, whatever the clocks said
    by: the ARN of who recorded it; reason: why it was revoked, None when it was granted
    """

    number: int
    consent: Consent
    by: str
    reason: str | None = None


def covers(consent: Consent | None, product: Product) -> bool:
    """Tell whether the customer agrees, now, to all that the product reads."""
    return consent is not None and consent.active and not missing(consent, product)


def missing(consent: Consent | None, product: Product) -> tuple[str, ...]:
    """Return the product's data types that the consent does not cover, in the product's order."""
    covered = set(consent.data_types) if consent and consent.active else set()
    return tuple(one for one in product.data_types if one not in covered)
