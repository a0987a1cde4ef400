"""products.yaml is read strictly: every mistake is named at once, with its line."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.cli.failures import Failure, Misused
from tools.cli.product_file import Malformed, load
from tools.samconfig import ROOT
from tools.sandbox.options import Options
from tools.sandbox.world.seed import CUSTOM, seeded_state


def loaded(tmp_path, text):
    path = tmp_path / "products.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def wrong(tmp_path, text):
    with pytest.raises(Malformed) as raised:
        loaded(tmp_path, text)
    return [(error.field, error.message) for error in raised.value.errors]


def test_a_product_becomes_its_body(tmp_path):
    file = loaded(
        tmp_path,
        """
products:
  a.b-c:
    kind: custom
    data_types: [invoices]
    schedule: {expression: rate(1 hour), timezone: UTC, enabled: no}
    team:
""",
    )
    schedule = {"expression": "rate(1 hour)", "timezone": "UTC", "enabled": False}
    assert file.products == {
        "a.b-c": {"kind": "custom", "data_types": ["invoices"], "schedule": schedule}
    }


def test_every_problem_is_named_at_once_with_its_line(tmp_path):
    found = wrong(
        tmp_path,
        """product: {}
products:
  a:
    kind: special
    kind: custom
    data_types: [invoices, 7, invoices]
    colour: red
  a: {kind: custom}
  1.5: {kind: custom}
  b:
    data_types: invoices
    consent_text_version: 1.10
    schedule: {timezone: UTC, enabled: "yes", extra: 1}
  c: custom
""",
    )
    assert found == [
        ("line 1, product", "unknown key"),
        ("line 5, products.a.kind", "appears twice, first on line 4"),
        ("line 6, products.a.data_types.1", 'must be text, such as "7" in quotes'),
        ("line 6, products.a.data_types", "is listed twice"),
        ("line 7, products.a.colour", "unknown key"),
        ("line 4, products.a.kind", "is not a kind of product"),
        ("line 8, products.a", "appears twice, first on line 3"),
        ("line 9, products.1.5", "a key must be text"),
        ("line 11, products.b.data_types", "must be a list of texts, such as [invoices, payments]"),
        ("line 12, products.b.consent_text_version", 'must be text, such as "1.10" in quotes'),
        ("line 13, products.b.schedule.enabled", "must be true or false"),
        ("line 13, products.b.schedule.extra", "unknown key"),
        ("line 13, products.b.schedule.expression", "is missing"),
        ("line 11, products.b.kind", "is missing"),
        ("line 14, products.c", "must be a product with at least a `kind`"),
    ]


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("", "file", "is empty"),
        ("# nothing\n", "file", "is empty"),
        ("- a\n", "line 1", "must be a mapping"),
        ("other: {}\n", "line 1, other", "unknown key"),
        ("products:\n", "line 1, products", "must map identifiers"),
        ("products: [a]\n", "line 1, products", "must map identifiers"),
        ("products:\n  a: {kind: custom\n", "line 3", "not YAML"),
        ("products:\n\ta: 1\n", "line 2", "not YAML"),
        ("products: {}\n---\nproducts: {}\n", "line 2", "not YAML"),
        pytest.param("[" * 3000, "file", "nested too deeply", id="deep"),
        ("products: &p {a: *p}\n", "line 1, products.a.a", "unknown key"),
        ("products:\n  a: {<<: {kind: custom}}\n", "line 2, products.a.<<", "unknown key"),
    ],
)
def test_a_text_that_is_not_a_product_file_is_refused_with_its_line(tmp_path, text, field, message):
    found = wrong(tmp_path, text)
    assert found[0][0] == field
    assert message in found[0][1]


def test_a_file_that_cannot_be_read_is_a_wrong_argument(tmp_path):
    with pytest.raises(Misused, match=r"nowhere\.yaml cannot be read") as raised:
        load(tmp_path / "nowhere.yaml")
    assert raised.value.code == 2
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misused, match="cannot be read"):
        load(tmp_path / "bytes")


@given(st.text())
def test_any_text_is_read_or_refused_never_a_crash(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(Failure):
        load(path)


def test_the_line_of_a_field_or_of_what_holds_it(tmp_path):
    file = loaded(tmp_path, "products:\n  a:\n    kind: custom\n    data_types:\n    - invoices\n")
    assert file.line_of("products.a.data_types.0") == 5
    assert file.line_of("products.a.schedule.timezone") == 2
    assert file.line_of("elsewhere") is None


def test_the_example_has_the_sandboxs_products_with_their_true_data_types():
    file = load(ROOT / "products.yaml")
    sandbox = {product.identifier: product for product in seeded_products()}
    assert set(file.products) == set(sandbox)
    for name, product in file.products.items():
        assert product["data_types"] == sandbox[name].data_types
        assert (product["kind"] == "custom") == sandbox[name].custom
        assert ("schedule" in product) == sandbox[name].custom
    assert set(CUSTOM) <= set(file.products)
    assert file.products["lending"]["kind"] == "standard"


def seeded_products():
    state = seeded_state(Options(companies=1), datetime(2026, 7, 1, tzinfo=UTC))
    return state.products.values()
