"""A product of a company may be read only while it is assigned under a covering consent."""

from dataclasses import replace

import pytest

from codat_hub.companies.domain.assignment import Assignment, AssignmentStatus
from codat_hub.companies.domain.consent import Consent
from codat_hub.products.domain.product import Product, ProductKind
from tests.support.histories import at

PRODUCT = Product("a", ProductKind.CUSTOM, data_types=("invoices",))
CONSENT = Consent("a", at(0), "J. Doe", "v1", ("invoices",))
ASSIGNED = Assignment("c", "a", AssignmentStatus.ASSIGNED, at(0), "ann", CONSENT)


def test_an_assigned_product_with_a_covering_consent_may_be_read():
    assert ASSIGNED.may_be_read(PRODUCT)


@pytest.mark.parametrize(
    "status", [status for status in AssignmentStatus if status is not AssignmentStatus.ASSIGNED]
)
def test_no_other_status_lets_it_be_read(status):
    assert not replace(ASSIGNED, status=status).may_be_read(PRODUCT)


@pytest.mark.parametrize(
    "consent", [None, replace(CONSENT, revoked_at=at(1)), replace(CONSENT, data_types=("bills",))]
)
def test_without_a_covering_consent_it_may_not_be_read(consent):
    assert not replace(ASSIGNED, consent=consent).may_be_read(PRODUCT)


def test_a_product_without_data_types_needs_a_consent_too():
    bare = replace(PRODUCT, data_types=())
    assert ASSIGNED.may_be_read(bare)
    assert not replace(ASSIGNED, consent=None).may_be_read(bare)
