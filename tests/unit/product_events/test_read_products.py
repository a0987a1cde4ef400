"""Which products a read is published for, and which changes owe their teams a full load."""

from codat_hub.companies.domain.product_changes import ProductTimes
from codat_hub.product_events.domain.read_event import ReadKey
from codat_hub.product_events.domain.read_products import ReadProducts
from tests.support.histories import PRODUCT, a_read, at

INVOICES, PAYMENTS = ReadKey("invoices", "a"), ReadKey("payments", "a")
REMOVED, ADDED = ProductTimes(removed=(at(2),)), ProductTimes(added=(at(3),))
PLAIN = a_read(4, product=None)


def test_a_custom_product_is_off_after_its_removal():
    assert ReadProducts({PRODUCT: REMOVED}).off(a_read(4))
    assert not ReadProducts({PRODUCT: REMOVED}).off(a_read(1))
    assert not ReadProducts({PRODUCT: ADDED}).off(a_read(4))
    assert not ReadProducts({"lending": REMOVED}).off(PLAIN)


def test_a_plain_read_names_the_standard_products_that_were_there():
    found = ReadProducts({"lending": REMOVED, "bank-feeds": ADDED})
    assert found.standard(PLAIN) == ("bank-feeds",)
    assert found.standard(a_read(1, product=None)) == ("bank-feeds", "lending")


def test_a_standard_product_resets_its_own_registered_data_types_or_all():
    found = ReadProducts({"lending": ADDED}, {"lending": ("invoices",)})
    assert (found.resets(PLAIN, INVOICES), found.resets(PLAIN, PAYMENTS)) == ([at(3)], [])
    assert ReadProducts({"lending": ADDED}).resets(PLAIN, PAYMENTS) == [at(3)]


def test_a_product_that_was_not_there_and_another_connection_reset_nothing():
    found = ReadProducts({"lending": REMOVED}, {}, {"a": at(1), "b": at(2)})
    assert found.resets(PLAIN, INVOICES) == [at(1)]


def test_a_custom_product_resets_all_its_data_types():
    found = ReadProducts({PRODUCT: ADDED}, {PRODUCT: ("invoices",)})
    assert found.resets(a_read(4), PAYMENTS) == [at(3)]
