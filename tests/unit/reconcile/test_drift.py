"""Every kind of drift says what it means and what to do."""

import pytest

from codat_hub.reconcile.domain.drift import EXPLAINED, Drift, Kind, Severity
from codat_hub.reconcile.usecases.reconcile import _MENDABLE


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_explained(kind):
    explanation = EXPLAINED[kind]
    assert explanation.means.endswith(".")
    assert explanation.to_do.endswith(".")


def test_what_is_mended_is_unsafe_no_more():
    kind = Kind.WEBHOOK_MISSING
    assert Drift(kind, "").unsafe
    assert not Drift(kind, "", mended=True).unsafe
    assert not Drift(Kind.CONSUMER_ELSEWHERE, "").unsafe


def test_nothing_unsafe_is_ever_mended():
    assert not [kind for kind in _MENDABLE if EXPLAINED[kind].severity is Severity.UNSAFE]
