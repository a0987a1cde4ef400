import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.products.domain.product_rules import (
    IDENTIFIER,
    identifier_problems,
    product_problems,
    registry_problems,
)
from codat_hub.webhooks.webhook_event import WebhookFacts, recognise
from tests.support.builders import a_read_completed
from tools.sandbox.world import catalog


def test_the_data_types_are_the_43_that_codat_documents():
    assert sorted(DATA_TYPES) == sorted(catalog.DATA_TYPES)
    assert len(DATA_TYPES) == 43


@pytest.mark.parametrize(
    "identifier",
    ["", " ", "a b", "a#1", "a/b", "-a", "a-", ".a", "a.", "ä", "a\n", "x" * 65, "a\u0000"],
)
def test_what_cannot_be_a_part_of_keys_and_event_types_is_no_identifier(identifier):
    (problem,) = identifier_problems(identifier, "product")
    assert (problem.field, problem.message) == ("product", "not a product identifier")


@pytest.mark.parametrize("identifier", ["standard", "a.read.completed", "a..b"])
def test_what_would_make_events_ambiguous_is_no_identifier(identifier):
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


def test_a_good_product_has_no_problems():
    schedule = Schedule("cron(0 23 * * ? *)", "Europe/London")
    assert (
        product_problems(Product("a", ProductKind.CUSTOM, "A", ("invoices",), schedule, "t", "1"))
        == []
    )
    assert product_problems(Product("lending", ProductKind.STANDARD)) == []


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
