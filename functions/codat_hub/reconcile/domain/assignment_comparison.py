"""A product on a company: the hub's assignment and the consent against what Codat has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, assert_never

from codat_hub.companies.domain.assignment import Status
from codat_hub.companies.domain.consent import covers, missing
from codat_hub.reconcile.domain.company_comparison import CLOCK_MARGIN
from codat_hub.reconcile.domain.drift import Drift, Kind

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.products.domain.product import Product

# Far longer than any call lasts: an intent of that age was left behind.
INTENT_LEFT_AFTER: Final = timedelta(minutes=15)


class Mend(Enum):
    """What puts it right without anything that the customer has not agreed to."""

    ASSIGN = auto()  # Codat has it and consent covers it: say so
    CLEAR = auto()  # Codat does not have it: say so
    REMOVE = auto()  # a removal was begun and not finished: finish it at Codat


@dataclass(frozen=True, slots=True)
class Verdict:
    """`mend` None: a person decides."""

    drift: Drift
    mend: Mend | None = None


def judge(
    ours: Assignment, product: Product | None, *, at_codat: bool, asked_at: datetime
) -> Verdict | None:
    """Compare one pair. None: they agree, or the hub changed it since Codat was asked.

    product: None for one that is not registered, whose consent cannot be judged.
    """
    if ours.changed_at is not None and ours.changed_at > asked_at - _settles_after(ours.status):
        return None
    refusal = _consent_verdict(ours, product) if at_codat else None
    match ours.status:
        case Status.ABSENT | Status.ASSIGNED if at_codat is (ours.status is Status.ASSIGNED):
            return refusal
        case Status.ABSENT:
            return refusal or _found(Kind.PRODUCT_UNASSIGNED, ours, Mend.ASSIGN)
        case Status.ASSIGNED:
            return _found(Kind.ASSIGNMENT_GONE, ours, None)
        case Status.STALE | Status.ADDING:
            kind = Kind.ASSIGNMENT_STALE if ours.status is Status.STALE else Kind.INTENT_LEFT
            return refusal or _found(kind, ours, Mend.ASSIGN if at_codat else Mend.CLEAR)
        case Status.REMOVING:
            return _found(Kind.INTENT_LEFT, ours, Mend.REMOVE if at_codat else Mend.CLEAR)
        case unknown:
            assert_never(unknown)


def _settles_after(status: Status) -> timedelta:
    return INTENT_LEFT_AFTER if status in {Status.ADDING, Status.REMOVING} else CLOCK_MARGIN


def _consent_verdict(ours: Assignment, product: Product | None) -> Verdict | None:
    """Return what is wrong with a product that Codat has; None if consent covers it."""
    if product is None:
        text = f"on this company, {ours.status} here"
        return Verdict(Drift(Kind.PRODUCT_UNREGISTERED, text, ours.company_id, ours.product))
    if covers(ours.consent, product):
        return None
    lacking = missing(ours.consent, product)
    state = "no consent is recorded"
    if ours.consent is not None:
        state = "the consent does not cover all" if ours.consent.active else "consent is revoked"
    text = f"{state}; data types without one: {', '.join(lacking) or 'all of the product'}"
    return Verdict(Drift(Kind.PRODUCT_WITHOUT_CONSENT, text, ours.company_id, ours.product))


def _found(kind: Kind, ours: Assignment, mend: Mend | None) -> Verdict:
    absent = kind is Kind.ASSIGNMENT_GONE or mend is Mend.CLEAR
    since = f" since {ours.changed_at.isoformat(timespec='seconds')}" if ours.changed_at else ""
    text = f"{ours.status}{since} here, {'not there' if absent else 'there'} at Codat"
    return Verdict(Drift(kind, text, ours.company_id, ours.product), mend)
