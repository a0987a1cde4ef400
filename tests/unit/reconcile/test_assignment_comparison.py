"""Reconcile repairs an assignment only if a consent covers it or a person asked for it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent
from codat_hub.products.domain.product import Product, ProductKind
from codat_hub.reconcile.domain.assignment_comparison import INTENT_LEFT_AFTER, Repair, judge
from codat_hub.reconcile.domain.company_comparison import CLOCK_MARGIN
from codat_hub.reconcile.domain.drift import DriftKind

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRODUCT = Product("p", ProductKind.CUSTOM, data_types=("invoices", "payments"))
COVERING = Consent("p", NOON, "owner", "v1", ("payments", "invoices"))
REVOKED = Consent("p", NOON, "owner", "v1", ("payments", "invoices"), revoked_at=NOON)
NARROW = Consent("p", NOON, "owner", "v1", ("payments",))
EMPTY = Product("p", ProductKind.STANDARD)

consents = st.sampled_from([None, COVERING, REVOKED, NARROW])
ages = st.integers(0, 60).map(lambda minutes: timedelta(minutes=minutes))
assignments = st.builds(
    Assignment,
    st.just("c"),
    st.just("p"),
    st.sampled_from(AssignmentStatus),
    ages.map(lambda age: NOON - age) | st.none(),
    consent=consents,
)


@given(assignments, st.sampled_from([PRODUCT, EMPTY, None]), st.booleans())
def test_nothing_counts_as_assigned_without_a_covering_consent_and_codats_word(
    ours, product, at_codat
):
    verdict = judge(ours, product, at_codat=at_codat, asked_at=NOON)
    repair = verdict and verdict.repair
    if repair is Repair.ASSIGN:
        assert at_codat
        assert product is not None
        assert ours.consent is COVERING or (product is EMPTY and ours.consent is NARROW)
    if repair is Repair.CLEAR:
        assert not at_codat
    if repair is Repair.REMOVE:
        assert ours.status is AssignmentStatus.REMOVING, "only a removal that a person started"


@given(assignments, st.booleans())
def test_a_product_at_codat_without_consent_is_always_reported_unless_it_is_being_removed(
    ours, at_codat
):
    settled = ours.changed_at is None or NOON - ours.changed_at >= INTENT_LEFT_AFTER
    if at_codat and settled and ours.consent is not COVERING:
        verdict = judge(ours, PRODUCT, at_codat=True, asked_at=NOON)
        if ours.status is AssignmentStatus.REMOVING:
            assert verdict.repair is Repair.REMOVE
        else:
            assert (verdict.drift.kind, verdict.repair) == (DriftKind.PRODUCT_WITHOUT_CONSENT, None)


@pytest.mark.parametrize("status", AssignmentStatus)
def test_a_change_of_the_hub_since_codat_was_asked_is_left_alone(status):
    for at_codat in (True, False):
        ours = Assignment("c", "p", status, NOON - CLOCK_MARGIN / 2, consent=NARROW)
        assert judge(ours, PRODUCT, at_codat=at_codat, asked_at=NOON) is None


def test_agreement_is_no_drift():
    old = NOON - timedelta(days=1)
    assigned = Assignment("c", "p", AssignmentStatus.ASSIGNED, old, consent=COVERING)
    assert judge(assigned, PRODUCT, at_codat=True, asked_at=NOON) is None
    absent = Assignment("c", "p", AssignmentStatus.ABSENT, old, consent=REVOKED)
    assert judge(absent, PRODUCT, at_codat=False, asked_at=NOON) is None
