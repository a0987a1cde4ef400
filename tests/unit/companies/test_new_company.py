from dataclasses import replace

import pytest

from codat_hub.companies.domain.new_company import Grant, NewCompany

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
def test_what_codat_would_refuse_is_a_problem(changes, field):
    (problem,) = replace(BAKERY, **changes).problems()
    assert problem.field == field


def test_a_fingerprint_tells_any_two_requests_apart():
    others = [
        replace(BAKERY, name="Baker"),
        replace(BAKERY, tags={}),
        replace(BAKERY, products=()),
        replace(BAKERY, consents={"a": replace(GRANT, text_version="2")}),
    ]
    assert len({one.fingerprint() for one in [BAKERY, replace(BAKERY), *others]}) == 5
