from dataclasses import replace

from codat_hub.companies.domain.consent import Consent, missing
from codat_hub.products.domain.product import Kind, Product
from tests.support.histories import at

PRODUCT = Product("a", Kind.CUSTOM, data_types=("invoices", "bills", "payments"))
CONSENT = Consent("a", at(0), "J. Doe", "v1", ("payments", "invoices", "bills", "customers"))


def test_a_consent_covers_what_it_names_and_may_name_more():
    assert missing(CONSENT, PRODUCT) == ()


def test_what_is_missing_is_named_in_the_products_order():
    assert missing(replace(CONSENT, data_types=("bills",)), PRODUCT) == ("invoices", "payments")
    assert missing(None, PRODUCT) == PRODUCT.data_types


def test_a_revoked_consent_covers_nothing():
    revoked = replace(CONSENT, revoked_at=at(1))
    assert not revoked.active
    assert missing(revoked, PRODUCT) == PRODUCT.data_types
