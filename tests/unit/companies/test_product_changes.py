"""Whether a company had a product at a time, by the newest change before."""

import pytest

from codat_hub.companies.domain.product_changes import ProductTimes
from tests.support.histories import at


@pytest.mark.parametrize(
    ("changes", "off"),
    [
        (ProductTimes(), False),
        (ProductTimes(removed=(at(2),)), True),
        (ProductTimes(removed=(at(5),)), False),  # it ended at the removal
        (ProductTimes(removed=(at(2),), added=(at(1),)), True),
        (ProductTimes(removed=(at(2),), added=(at(2),)), False),
        (ProductTimes(removed=(at(2),), added=(at(5),)), False),
        (ProductTimes(removed=(at(2),), added=(at(6),)), True),
        (ProductTimes(removed=(at(2), at(4)), added=(at(3),)), True),
        (ProductTimes(removed=(at(2),), present=(at(4),)), False),  # a list has it
    ],
)
def test_the_newest_change_before_decides(changes, off):
    assert changes.off_at(at(5)) is off


def test_changes_of_two_reporters_count_together_and_presence_is_no_reset():
    hub = ProductTimes(added=(at(3),))
    codat = ProductTimes(removed=(at(2),), present=(at(4),))
    assert hub.and_also(codat).resets == (at(2), at(3))
    assert not hub.and_also(codat).off_at(at(3.5))
