"""Codat's events say when the quota is used up, in any order and with any expiry."""

from datetime import timedelta

import pytest

from codat_hub.codat.domain.stamp import Stamp
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice, latest, reached, reset
from tests.support.histories import at

MIDNIGHT = at(24)


def stamp(hours):
    return Stamp(at(hours), f"event-{hours}")


@pytest.mark.parametrize(
    ("expiry", "until"),
    [
        (at(20), at(20)),
        (None, MIDNIGHT),  # 23:59:99Z in a published sample
        (at(1), MIDNIGHT),  # before the event itself
        (at(24 * 40), MIDNIGHT),  # further off than any reset
    ],
)
def test_an_expiry_that_cannot_be_is_the_next_midnight(expiry, until):
    assert reached(stamp(10), expiry) == RateLimitNotice(stamp(10), until)


def test_a_reached_whose_expiry_has_passed_is_ignored():
    known = reset(stamp(9))
    assert latest(known, reached(stamp(10), at(12)), now=at(12)) is known
    assert latest(None, reached(stamp(10), at(12)), now=at(12)) is None


def test_notices_move_forward_only():
    newer, older = reset(stamp(11)), reached(stamp(10), at(20))
    now = at(11) + timedelta(minutes=1)
    assert latest(latest(None, older, now), newer, now) == newer
    assert latest(latest(None, newer, now), older, now) == newer
    assert latest(newer, newer, now) is newer
