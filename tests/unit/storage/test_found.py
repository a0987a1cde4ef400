"""A value is there, absent or unreadable, and nobody takes one for another."""

import pytest

from codat_hub.errors import Unreadable
from codat_hub.storage.found import Found, named

FOUND = Found({"a": 1}, ["b"])


def test_a_readable_value_is_returned_by_its_name():
    assert named(FOUND, "a") == 1


def test_an_absent_value_is_none():
    assert named(FOUND, "c") is None


def test_an_unreadable_value_is_not_taken_for_an_absent_one():
    with pytest.raises(Unreadable, match="b cannot be read"):
        named(FOUND, "b")


def test_unreadable_names_are_not_among_the_values():
    assert dict(FOUND) == {"a": 1}
    assert FOUND.unreadable == {"b"}
    assert Found({}).unreadable == frozenset()
