"""A tail's id says when it ends; a message about a tail is told from all others."""

import pytest

from codat_hub.product_events.domain.tail import LASTS, known_tail, new_tail, tail_of
from tests.support.histories import at


def test_a_tail_ends_after_an_hour_and_its_id_says_when():
    tail = new_tail("lending", at(1), "0a1b2c3d")
    assert tail.open_until == at(1) + LASTS
    assert known_tail(tail.tail_id).open_until == tail.open_until
    assert tail_of(tail.message) == known_tail(tail.tail_id)


@pytest.mark.parametrize("text", ["", "x", "1-0a1b2c3d", "1764504000-0a1b2c3", "1764504000"])
def test_another_id_or_message_is_none(text):
    assert known_tail(text) is None
    assert tail_of(f"tail#{text}") is None
    assert tail_of(text) is None
