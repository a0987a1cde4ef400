"""A foreign id is exactly one segment of a path, or nothing is sent."""

from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat.adapters.paths import LONGEST_SEGMENT, path, query_string
from codat_hub.codat.errors import Permanent


def test_a_product_identifier_with_dots_and_hyphens_is_a_segment_as_it_is():
    assert path("companies", "c-1", "products", "expenses.v2-uk") == (
        "/companies/c-1/products/expenses.v2-uk"
    )


@pytest.mark.parametrize(
    "segment",
    [
        "",
        ".",
        "..",
        "...",
        "a/b",
        "../a",
        "a\\b",
        "%2e%2e",
        "a%2Fb",
        "a b",
        "a\nb",
        "a\x00",
        "\ud800",
        "a" * (LONGEST_SEGMENT + 1),
    ],
)
def test_a_segment_that_could_reach_another_path_is_not_sent(segment):
    with pytest.raises(Permanent, match="not sent") as caught:
        path("companies", segment)
    assert caught.value.status is None
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("segment", ["a?b=c", "a#b", "a;b", "ä", "a&b", "a+b", "@a:b"])
def test_other_signs_are_percent_encoded(segment):
    encoded = path(segment)
    assert not set("?#;&+@:ä") & set(encoded)
    assert unquote(encoded) == f"/{segment}"


@given(st.text())
def test_any_text_is_one_segment_or_is_not_sent(text):
    try:
        encoded = path("companies", text, "products")
    except Permanent:
        return
    assert encoded.isascii()
    assert encoded.count("/") == 3
    assert unquote(encoded).split("/")[2] == text


def test_a_space_in_a_query_is_percent_encoded_like_the_sdks_and_not_a_plus():
    assert query_string({"query": "a b"}) == "?query=a%20b"


def test_query_parameters_that_are_none_are_left_out():
    assert query_string({"page": 1, "query": None}) == "?page=1"
    assert query_string({"query": None}) == ""


@given(st.text(max_size=500))
def test_any_query_arrives_as_it_was(text):
    try:
        encoded = query_string({"query": text, "page": 2})
    except Permanent:
        assert any("\ud800" <= c <= "\udfff" for c in text)
        return
    assert encoded.isascii()
    assert parse_qs(encoded[1:], keep_blank_values=True) == {"query": [text], "page": ["2"]}


def test_a_query_as_long_as_codats_limit_is_not_sent():
    query_string({"query": "a" * 2047})
    with pytest.raises(Permanent):
        query_string({"query": "a" * 2048})
