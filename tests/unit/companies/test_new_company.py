"""A request to create a company is checked as a whole before anything is sent."""

from dataclasses import replace

import pytest

from codat_hub.companies.domain.new_company import (
    CodatCompany,
    CreatedCompany,
    Grant,
    NewCompany,
    ProductOutcome,
)

GRANT = Grant("J. Baker", "1", ("invoices",))
BAKERY = NewCompany("Bakery", "Bread", {"region": "north"}, ("a",), {"a": GRANT})


def test_a_good_company_has_no_problems():
    assert BAKERY.problems() == []
    assert NewCompany("x").problems() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"description": "x" * 501}, "description"),
        ({"tags": {"": "v"}}, "tags"),
        ({"description": "a\nb"}, "description"),
        ({"tags": {"k" * 28: "v"}}, "tags"),
        ({"tags": {"k": "v" * 101}}, "tags"),
        ({"tags": {f"k{number}": "v" for number in range(11)}}, "tags"),
        ({"products": ("a", "a")}, "products"),
        ({"products": tuple(f"p{number}" for number in range(21))}, "products"),
        ({"consents": {"a": replace(GRANT, granted_by="")}}, "consents.a.granted_by"),
        ({"consents": {"a": replace(GRANT, data_types=("bread",))}}, "consents.a.data_types"),
    ],
)
def test_a_value_that_codat_would_refuse_is_a_problem(changes, field):
    (problem,) = replace(BAKERY, **changes).problems()
    assert problem.field == field


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "x" * 200},
        {"description": "x" * 500},
        {"tags": {"k" * 27: "v" * 100}},
        {"tags": {f"k{number}": "v" for number in range(10)}},
        {"products": tuple(f"p{number}" for number in range(20))},
    ],
)
def test_a_value_at_a_limit_is_allowed(changes):
    assert replace(BAKERY, **changes).problems() == []


def test_every_problem_of_a_request_is_listed():
    bad = NewCompany("", "", {"": ""}, ("a", "a"), {"a": Grant("", "", ("bread",))})
    assert [problem.field for problem in bad.problems()] == [
        "name",
        "description",
        "tags",
        "products",
        "consents.a.data_types",
        "consents.a.granted_by",
        "consents.a.text_version",
    ]


def test_a_creation_is_complete_when_every_product_is_assigned():
    company = CodatCompany("c")
    done, refused = ProductOutcome("a", "assigned"), ProductOutcome("b", "refused", "why")
    assert CreatedCompany(company).complete
    assert CreatedCompany(company, (done,)).complete
    assert not CreatedCompany(company, (done, refused)).complete


def test_the_link_that_opens_an_authorisation_is_in_no_repr():
    assert "secret" not in repr(CodatCompany("c", link_url="https://link/secret"))


def test_a_fingerprint_tells_any_two_requests_apart():
    others = [
        replace(BAKERY, name="Baker"),
        replace(BAKERY, tags={}),
        replace(BAKERY, products=()),
        replace(BAKERY, consents={"a": replace(GRANT, text_version="2")}),
    ]
    assert len({request.fingerprint() for request in [BAKERY, replace(BAKERY), *others]}) == 5
