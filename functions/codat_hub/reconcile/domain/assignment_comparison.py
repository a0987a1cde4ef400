"""Compare the hub's assignment and consent for a product on a company with Codat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, assert_never

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.companies.domain.consent import covers, missing
from codat_hub.reconcile.domain.company_comparison import CLOCK_MARGIN
from codat_hub.reconcile.domain.drift import Drift, DriftKind

if TYPE_CHECKING:
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.products.domain.product import Product

# Far longer than any call lasts, so the process behind an older intent is gone.
INTENT_LEFT_AFTER: Final = timedelta(minutes=15)


class Repair(Enum):
    """Changes that need no further consent of the customer."""

    ASSIGN = auto()  # in the hub: Codat has the product, and a consent covers it
    CLEAR = auto()  # in the hub: Codat does not have the product
    REMOVE = auto()  # at Codat too: a person started the removal, and it was never finished


@dataclass(frozen=True, slots=True)
class AssignmentVerdict:
    """The drift, and its repair; repair None: a person decides."""

    drift: Drift
    repair: Repair | None = None


def judge(
    ours: Assignment, product: Product | None, *, at_codat: bool, asked_at: datetime
) -> AssignmentVerdict | None:
    """Compare one assignment. None: both sides agree, or the hub changed it after `asked_at`.

    product: None if it is not registered; then its consent cannot be judged
    asked_at: the time just before the call to Codat
    """
    if ours.changed_at is not None and ours.changed_at > asked_at - _settles_after(ours.status):
        return None
    refusal = _consent_verdict(ours, product) if at_codat else None
    match ours.status:
        case AssignmentStatus.ABSENT | AssignmentStatus.ASSIGNED if at_codat is (
            ours.status is AssignmentStatus.ASSIGNED
        ):
            return refusal
        case AssignmentStatus.ABSENT:
            return refusal or _verdict(DriftKind.PRODUCT_UNASSIGNED, ours, Repair.ASSIGN)
        case AssignmentStatus.ASSIGNED:
            return _verdict(DriftKind.ASSIGNMENT_GONE, ours, None)
        case AssignmentStatus.STALE | AssignmentStatus.ADDING:
            kind = (
                DriftKind.ASSIGNMENT_STALE
                if ours.status is AssignmentStatus.STALE
                else DriftKind.INTENT_LEFT
            )
            return refusal or _verdict(kind, ours, Repair.ASSIGN if at_codat else Repair.CLEAR)
        case AssignmentStatus.REMOVING:
            repair = Repair.REMOVE if at_codat else Repair.CLEAR
            return _verdict(DriftKind.INTENT_LEFT, ours, repair)
        case unknown:
            assert_never(unknown)


def _settles_after(status: AssignmentStatus) -> timedelta:
    return (
        INTENT_LEFT_AFTER
        if status in {AssignmentStatus.ADDING, AssignmentStatus.REMOVING}
        else CLOCK_MARGIN
    )


def _consent_verdict(ours: Assignment, product: Product | None) -> AssignmentVerdict | None:
    """Return the verdict on a product that no consent covers; None if a consent covers it."""
    if product is None:
        text = f"on this company at Codat, {ours.status} here"
        return AssignmentVerdict(
            Drift(DriftKind.PRODUCT_UNREGISTERED, text, ours.company_id, ours.product)
        )
    if covers(ours.consent, product):
        return None
    lacking = missing(ours.consent, product)
    state = "no consent is recorded"
    if ours.consent is not None:
        active = ours.consent.active
        state = "the consent does not cover all" if active else "the consent is revoked"
    text = f"{state}; data types without one: {', '.join(lacking) or 'all of the product'}"
    return AssignmentVerdict(
        Drift(DriftKind.PRODUCT_WITHOUT_CONSENT, text, ours.company_id, ours.product)
    )


def _verdict(kind: DriftKind, ours: Assignment, repair: Repair | None) -> AssignmentVerdict:
    absent = kind is DriftKind.ASSIGNMENT_GONE or repair is Repair.CLEAR
    since = f" since {ours.changed_at.isoformat(timespec='seconds')}" if ours.changed_at else ""
    text = f"{ours.status}{since} here, {'not there' if absent else 'there'} at Codat"
    return AssignmentVerdict(Drift(kind, text, ours.company_id, ours.product), repair)
