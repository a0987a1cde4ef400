"""Codat's query language filters and orders items."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.sandbox.requests.querying import (
    MalformedQuery,
    UnresolvedProperty,
    compile_query,
    sort_items,
)

ITEM = {
    "name": "Acme Ltd",
    "amount": 12.5,
    "open": True,
    "when": datetime(2026, 7, 1, 23, tzinfo=UTC),
    "tags": ["uk", "fr"],
    "nothing": None,
}


def resolve(path):
    return (lambda item: item[path]) if path in ITEM else None


def holds(query):
    return compile_query(query, resolve)(ITEM)


@pytest.mark.parametrize(
    "query",
    [
        "name=Acme Ltd",
        "name != Other",
        "name~acme",
        "amount>12&&amount<=12.5",
        "amount=1||amount=12.5",
        "amount=1&&amount=2||open=true",
        "amount=12.5&&{name=x||open=true}",
        "{{open=true}}",
        "when>=2026-07-01T23:00:00.0000000Z",
        "when>=2026-07-01T23:00:00",
        "when<2026-07-02",
        "when>=2026-07-02T00:00:00+01:00",
        "tags=uk",
        "nothing!=x",
    ],
)
def test_a_query_holds_for_an_item_that_matches(query):
    assert holds(query) is True


@pytest.mark.parametrize(
    "query",
    [
        "name=acme",
        "amount>12.5",
        "open!=true",
        "tags=de",
        "nothing=x",
        "nothing~x",
        "when>2026-07-01T23:00:00Z",
        "amount=12.5&&{name=x||open=false}",
    ],
)
def test_a_query_does_not_hold_for_an_item_that_differs(query):
    assert holds(query) is False


@pytest.mark.parametrize(
    "query",
    [
        "name",
        "name=",
        "=x",
        "name=x&&",
        "{name=x",
        "name=x}",
        "name=x||&&open=true",
        "&&",
        "{}",
        "amount=twelve",
        "when>=yesterday",
        "x" * 3000,
        "{" * 60 + "open=true" + "}" * 60,
    ],
)
def test_a_malformed_query_is_refused(query):
    with pytest.raises(MalformedQuery):
        holds(query)


def test_an_unknown_property_is_named():
    with pytest.raises(UnresolvedProperty, match="colour"):
        holds("colour=red")


@given(st.text(alphabet="name=&|{}~<>! x1.", max_size=40))
def test_any_text_is_a_query_or_is_refused(text):
    with contextlib.suppress(MalformedQuery, UnresolvedProperty):
        assert holds(text) in {True, False}


def test_items_are_sorted_up_or_down_with_missing_values_first():
    items = [{"a": 2}, {"a": None}, {"a": 1}]
    by_a = {"a": lambda item: item["a"]}.get
    assert sort_items(items, "a", by_a) == [{"a": None}, {"a": 1}, {"a": 2}]
    assert sort_items(items, "-a", by_a) == [{"a": 2}, {"a": 1}, {"a": None}]
    with pytest.raises(UnresolvedProperty):
        sort_items(items, "b", by_a)
