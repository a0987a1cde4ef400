"""Every kind of drift says what it means and what to do."""

import re
from dataclasses import replace

import pytest

from codat_hub.reconcile.domain.drift import (
    EXPLAINED,
    RECOUNTED_AFTER_A_KILL,
    Drift,
    DriftKind,
    Severity,
)


@pytest.mark.parametrize("kind", DriftKind)
def test_every_kind_is_explained(kind):
    explanation = EXPLAINED[kind]
    assert explanation.means.endswith(".")
    assert explanation.to_do.endswith(".")


@pytest.mark.parametrize("kind", DriftKind)
def test_no_explanation_names_a_route(kind):
    explanation = EXPLAINED[kind]
    assert not re.search(r"\b(GET|PUT|POST|DELETE) /", f"{explanation.means} {explanation.to_do}")


def test_the_same_disagreement_found_twice_has_one_identity():
    drift = Drift(DriftKind.PRODUCT_UNASSIGNED, "there", "c", "lending")
    assert drift.identity == replace(drift, detail="there since noon", mended=True).identity
    others = [
        replace(drift, product="p"),
        replace(drift, company_id="d"),
        replace(drift, subject="s"),
    ]
    assert len({drift.identity, *(other.identity for other in others)}) == 4


def test_repaired_drift_is_no_longer_unsafe():
    kind = DriftKind.WEBHOOK_MISSING
    assert Drift(kind, "").unsafe
    assert not Drift(kind, "", mended=True).unsafe
    assert not Drift(DriftKind.CONSUMER_ELSEWHERE, "").unsafe


def test_no_unsafe_kind_is_counted_as_repaired():
    assert not [
        kind for kind in RECOUNTED_AFTER_A_KILL if EXPLAINED[kind].severity is Severity.UNSAFE
    ]
