"""A consent covers a product when it is active and names every data type of it."""

from dataclasses import replace

from codat_hub.companies.domain.consent import Consent, covers, missing
from codat_hub.products.domain.product import Product, ProductKind
from tests.support.histories import at

PRODUCT = Product("a", ProductKind.CUSTOM, data_types=("invoices", "bills", "payments"))
CONSENT = Consent("a", at(0), "J. Doe", "v1", ("payments", "invoices", "bills", "customers"))


def test_a_consent_covers_the_data_types_it_names_and_may_name_more():
    assert missing(CONSENT, PRODUCT) == ()


def test_missing_data_types_are_named_in_the_products_order():
    assert missing(replace(CONSENT, data_types=("bills",)), PRODUCT) == ("invoices", "payments")
    assert missing(None, PRODUCT) == PRODUCT.data_types


def test_a_revoked_consent_covers_nothing():
    revoked = replace(CONSENT, revoked_at=at(1))
    assert not revoked.active
    assert missing(revoked, PRODUCT) == PRODUCT.data_types


def test_a_product_without_data_types_is_covered_by_any_active_consent():
    bare = replace(PRODUCT, data_types=())
    assert covers(CONSENT, bare)
    assert not covers(replace(CONSENT, revoked_at=at(1)), bare)
    assert not covers(None, bare)


def test_a_product_that_reads_more_is_not_covered():
    assert covers(CONSENT, PRODUCT)
    assert not covers(CONSENT, replace(PRODUCT, data_types=("invoices", "suppliers")))
