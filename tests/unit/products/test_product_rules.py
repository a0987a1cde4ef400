"""Every problem of a product or registry is found; identifiers are safe in keys and events."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.products.domain.product_rules import (
    IDENTIFIER,
    cut,
    data_type_problems,
    identifier_problems,
    product_problems,
    registry_problems,
)
from codat_hub.webhooks.webhook_event import WebhookFacts, recognise
from tests.support.builders import a_read_completed


@pytest.mark.parametrize(
    "identifier",
    ["", " ", "a b", "a#1", "a/b", "-a", "a-", ".a", "a.", "ä", "a\n", "x" * 65, "a\u0000"],
)
def test_a_text_that_cannot_be_part_of_keys_and_event_types_is_no_identifier(identifier):
    (problem,) = identifier_problems(identifier, "product")
    assert (problem.field, problem.message) == ("product", "not a product identifier")


@pytest.mark.parametrize("identifier", ["standard", "a.read.completed", "a..b"])
def test_a_text_that_would_make_events_ambiguous_is_no_identifier(identifier):
    (problem,) = identifier_problems(identifier, "product")
    assert "ambiguous" in problem.message


@given(st.from_regex(IDENTIFIER, fullmatch=True))
def test_an_identifier_survives_in_event_types(identifier):
    assert re.fullmatch(IDENTIFIER, identifier)
    if identifier_problems(identifier, "product"):
        return
    facts = recognise(a_read_completed(product=identifier))
    assert isinstance(facts, WebhookFacts)
    assert facts.event_type == f"{identifier}.read.completed"


@pytest.mark.parametrize("identifier", ["a", "x" * 64, "a.b", "a_b-c", "9"])
def test_an_identifier_may_have_64_letters_digits_dots_underscores_and_hyphens(identifier):
    assert identifier_problems(identifier, "product") == []


def test_a_good_product_has_no_problems():
    schedule = Schedule("cron(0 23 * * ? *)", "Europe/London")
    assert (
        product_problems(Product("a", ProductKind.CUSTOM, "A", ("invoices",), schedule, "t", "1"))
        == []
    )
    assert product_problems(Product("lending", ProductKind.STANDARD)) == []


@pytest.mark.parametrize(
    ("product", "field", "message"),
    [
        (Product("a", "quantum", data_types=("bills",)), "kind", "unknown kind"),
        (
            Product("a", ProductKind.STANDARD, schedule=Schedule("rate(1 day)")),
            "schedule",
            "a standard product cannot be refreshed by schedule",
        ),
        (
            Product("a", ProductKind.CUSTOM, data_types=("bills",), schedule=Schedule("daily")),
            "schedule",
            "neither rate",
        ),
    ],
)
def test_a_kind_or_schedule_that_does_not_fit_is_a_problem(product, field, message):
    (problem,) = product_problems(product)
    assert problem.field == field
    assert message in problem.message


@pytest.mark.parametrize(
    ("names", "message", "allowed"),
    [
        (("invoice",), "unknown data type", "did you mean invoices"),
        (("zzz",), "unknown data type", "one of Codat's data types"),
        (("bills", "bills"), "named 2 times", "each data type once"),
    ],
)
def test_an_unknown_or_repeated_data_type_is_a_problem_with_a_suggestion(names, message, allowed):
    (problem,) = data_type_problems(names, "data_types")
    assert (problem.field, problem.message) == ("data_types", message)
    assert problem.allowed.startswith(allowed)


@pytest.mark.parametrize(("text", "shown"), [("x" * 100, "x" * 100), ("x" * 101, "x" * 99 + "…")])
def test_a_long_value_is_cut_to_100_characters(text, shown):
    assert cut(text) == shown


def test_a_custom_product_reads_something():
    (problem,) = product_problems(Product("a", ProductKind.CUSTOM))
    assert problem.field == "data_types"


@pytest.mark.parametrize("field", ["name", "team", "consent_text_version"])
@pytest.mark.parametrize("text", ["", " ", "a\nb", "\ud800", "x" * 201])
def test_texts_can_be_shown(field, text):
    product = Product("a", ProductKind.CUSTOM, data_types=("invoices",), **{field: text})
    (problem,) = product_problems(product)
    assert problem.field == field


def test_a_registry_has_each_product_once_and_not_too_many():
    many = [Product(f"p{number}", ProductKind.STANDARD) for number in range(201)]
    (problem,) = registry_problems(many)
    assert problem.allowed == "at most 200"
    (problem,) = registry_problems([many[0], many[0]])
    assert (problem.message, problem.value) == ("named 2 times", "p0")
