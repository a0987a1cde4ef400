"""`hub products` compares a file, shows the difference, asks, and applies the whole file."""

import json

import httpx
import pytest

from tests.support.control_api import refused
from tools.samconfig import ROOT

FILE = """products:
  a:
    kind: custom
    data_types: [invoices, payments]
    schedule: {expression: rate(1 hour)}
  lending:
    kind: standard
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "products.yaml"
    path.write_text(FILE)
    return str(path)


def test_an_empty_registry_says_how_to_fill_it(hub):
    answer = hub("products", "list")
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "tools/hub products apply --env local" in answer.stderr
    assert json.loads(hub("products", "list", "--json").stdout) == []


def test_the_projects_own_file_is_applied_and_listed(hub, api):
    answer = hub("products", "apply", "--yes", str(ROOT / "products.yaml"))
    assert answer.exit_code == 0, answer.output
    assert len(api.products) == 5
    listed = hub("products", "list").stdout
    assert "invoice-finance" in listed
    assert "cron(0 23 * * ? *) Europe/London" in listed
    again = hub("products", "apply", str(ROOT / "products.yaml"))
    assert (again.exit_code, "has exactly" in again.stdout) == (0, True)


def test_a_difference_is_shown_field_by_field_before_the_question(hub, api, file):
    hub("products", "apply", "--yes", file)
    api.products["a"]["data_types"] = ["invoices"]
    api.products["a"]["schedule"]["expression"] = "rate(2 hours)"
    api.products["old"] = api.products.pop("lending") | {"product": "old"}
    api.calls.clear()
    answer = hub("products", "apply", file, stdin="n\n")
    assert answer.exit_code == 1
    assert answer.stdout.splitlines() == [
        "~ a",
        "    data_types: invoices → invoices, payments",
        "    schedule.expression: rate(2 hours) → rate(1 hour)",
        "+ lending",
        "    kind: standard",
        "- old",
        "    kind: standard",
    ]
    assert "a reads more: bills." in answer.stderr
    assert "Apply 3 changes to local? [y/N]" in answer.stderr
    assert "old" in api.products


def test_a_diff_changes_nothing_and_is_json_too(hub, api, file):
    answer = hub("products", "diff", file, "--json")
    assert answer.exit_code == 0
    assert api.products == {}
    (first, second) = json.loads(answer.stdout)["changes"]
    assert (first["product"], first["action"]) == ("a", "add")
    assert first["fields"]["schedule.timezone"] == {"now": None, "then": "UTC"}
    assert second == {
        "product": "lending",
        "action": "add",
        "fields": {"kind": {"now": None, "then": "standard"}},
    }


def test_who_may_only_read_can_still_see_the_difference(hub, api, file):
    denied = lambda method, _path: refused_by_gateway() if method == "PUT" else None  # noqa: E731
    api.before = denied
    answer = hub("products", "diff", file)
    assert (answer.exit_code, "+ a" in answer.stdout) == (0, True)
    assert "The hub did not check the file" in answer.stderr
    applied = hub("products", "apply", "--yes", file)
    assert (applied.exit_code, "may not do this" in applied.stderr) == (1, True)


def refused_by_gateway():
    return httpx.Response(403, json={"Message": "User is not authorized"})


def test_a_refusal_by_the_hub_names_the_lines_of_the_file(hub, api, file, tmp_path):
    (tmp_path / "products.yaml").write_text(FILE.replace("payments", "nonsense"))
    answer = hub("products", "apply", "--yes", file)
    assert answer.exit_code == 1
    assert 'line 4, products.a.data_types.1 = "nonsense": Codat has no such' in answer.stderr
    assert api.products == {}


def test_a_wrong_file_is_refused_before_any_call_to_the_hub(hub, api, file, tmp_path):
    (tmp_path / "products.yaml").write_text("products:\n  a: {kind: custom, kinds: x}\n")
    answer = hub("products", "apply", "--yes", file)
    assert (answer.exit_code, api.calls) == (2, [])
    assert "line 2, products.a.kinds: unknown key; allowed: kind, name" in answer.stderr


def test_in_prod_yes_does_not_apply(hub, api, file):
    assert hub("products", "apply", "--yes", file, env="prod").exit_code == 1
    assert api.products == {}
    assert hub("products", "apply", "--yes-prod", file, env="prod").exit_code == 0
    assert set(api.products) == {"a", "lending"}


def test_one_product_is_shown_and_removed(hub, api, file):
    hub("products", "apply", "--yes", file)
    assert "rate(1 hour) UTC" in hub("products", "show", "a").stdout
    assert json.loads(hub("products", "show", "a", "--json").stdout)["kind"] == "custom"
    assert hub("products", "remove", "a", stdin="n\n").exit_code == 1
    assert "a" in api.products
    removed = hub("products", "remove", "a", "--yes")
    assert (removed.exit_code, "Remove it from products.yaml" in removed.stderr) == (0, True)
    assert "a" not in api.products


@pytest.mark.parametrize("command", ["show", "remove"])
def test_an_unknown_product_is_reported_in_the_hubs_words(hub, command):
    answer = hub("products", command, "nobody", *(["--yes"] if command == "remove" else []))
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "No product 'nobody' is registered." in answer.stderr


def test_a_product_that_companies_have_is_not_removed(hub, api, file):
    hub("products", "apply", "--yes", file)
    problem = {"field": "a", "message": "3 companies have this product", "allowed": "remove it"}
    taken = refused(409, "Products that companies have cannot be unregistered.", problem)
    api.before = lambda method, _path: taken if method == "DELETE" else None
    answer = hub("products", "remove", "a", "--yes")
    assert (answer.exit_code, "3 companies have this product" in answer.stderr) == (1, True)
