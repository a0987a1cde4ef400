"""A body is read as JSON, but for what no route can take."""

import json

import pytest

from codat_hub.api.bodies import DEEPEST, LONGEST_NUMBER, read_body
from codat_hub.errors import Invalid


def fields(text):
    with pytest.raises(Invalid) as refused:
        read_body(text)
    return [problem.field for problem in refused.value.problems]


def test_a_body_is_its_json():
    body = {"a": [1, -2.5, None, "x"], "b": {"c": 10 ** (LONGEST_NUMBER - 1)}}
    assert read_body(json.dumps(body)) == body


def test_a_number_of_too_many_characters_is_named_by_its_field():
    assert fields(f'{{"a": [1, {10**LONGEST_NUMBER}]}}') == ["a[1]"]
    assert fields("9" * 5000) == ["body"]


def test_a_body_that_is_nested_too_deeply_is_named_by_its_field():
    read_body("[" * DEEPEST + "]" * DEEPEST)
    assert fields('{"a": ' + "[" * DEEPEST + "]" * DEEPEST + "}") == ["a" + "[0]" * (DEEPEST - 1)]
    assert fields("[" * 100_000) == ["body"]


def test_a_text_that_is_no_json_is_left_to_the_caller():
    with pytest.raises(json.JSONDecodeError):
        read_body("{")
