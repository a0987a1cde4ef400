from dataclasses import replace

import pytest

from codat_hub.companies.domain.assignment import Assignment, Status
from codat_hub.companies.domain.consent import Consent
from codat_hub.products.domain.product import Kind, Product
from tests.support.histories import at

PRODUCT = Product("a", Kind.CUSTOM, data_types=("invoices",))
CONSENT = Consent("a", at(0), "J. Doe", "v1", ("invoices",))
ASSIGNED = Assignment("c", "a", Status.ASSIGNED, at(0), "ann", CONSENT)


def test_an_assigned_product_with_a_covering_consent_may_be_read():
    assert ASSIGNED.may_be_read(PRODUCT)


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.ASSIGNED])
def test_no_other_status_lets_it_be_read(status):
    assert not replace(ASSIGNED, status=status).may_be_read(PRODUCT)


@pytest.mark.parametrize(
    "consent", [None, replace(CONSENT, revoked_at=at(1)), replace(CONSENT, data_types=("bills",))]
)
def test_nor_may_it_without_a_consent_that_covers_it(consent):
    assert not replace(ASSIGNED, consent=consent).may_be_read(PRODUCT)


def test_a_product_without_data_types_needs_a_consent_all_the_same():
    bare = replace(PRODUCT, data_types=())
    assert ASSIGNED.may_be_read(bare)
    assert not replace(ASSIGNED, consent=None).may_be_read(bare)
