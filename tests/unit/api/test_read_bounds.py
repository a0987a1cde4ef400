"""No GET route and no scheduled function reads more the longer the hub runs or the wider it is.

A cost may grow with the companies or with the products, and not with both at once.
"""

import re
from pathlib import Path

import pytest

from codat_hub.api.app import openapi
from tools.simulation.many_products import Cost, first_overdue_page, overdue_products
from tools.simulation.read_bounds import growths, wrong
from tools.simulation.reads_world import OPERATIONS, Size
from tools.simulation.silence import silence

TEMPLATE = Path("template.yaml").read_text()
SMALL = Size(companies=900, products=3, tickets=2500)


def test_every_cost_is_bounded():
    with silence():
        found = growths(SMALL, judged_only=True)
    assert list(wrong(found)) == []
    overdue = "GET /freshness?limit=200&overdue=true"
    dispatched = "dispatch_refreshes, each minute"
    for costs in found.values():
        assert costs[overdue][0] <= 200
        assert costs[dispatched][0] <= 5000


def test_growth_is_noticed():
    base = {"GET /a": (100, 0)}
    small = {"2 x both": base, "2 x past": base, "as it is": base}
    assert list(wrong(small)) == []
    for name, reads in (("2 x both", 400), ("2 x past", 200)):
        (said,) = wrong(small | {name: {"GET /a": (reads, 0)}})
        assert said.startswith(f"GET /a: 100 becomes {reads}")


def test_every_get_route_is_measured():
    routes = {path for path, methods in openapi()["paths"].items() if "get" in methods}
    assert {operation.route for operation in OPERATIONS if operation.route} == routes


def test_every_scheduled_function_is_measured():
    """Those that a schedule of the template starts, and the planner, which a product's starts."""
    targets = re.findall(r"Arn: !GetAtt (\w+)Function\.Arn\n\s+RoleArn", TEMPLATE)
    hourly = re.findall(r"(\w+)Function:\n(?:(?!\n  \w).)*?Type: Schedule", TEMPLATE, re.DOTALL)
    names = {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in {*targets, *hourly}}
    measured = {operation.title.partition(",")[0] for operation in OPERATIONS}
    assert {"dispatch_refreshes", "plan_refreshes", "watch_migrations"} <= names
    assert names <= measured


@pytest.mark.parametrize("late", [True, False])
def test_a_page_of_what_is_overdue_costs_200_reads_with_200_products(late):
    world = overdue_products(200, 10, late=late)
    ask = first_overdue_page(world)
    with Cost(world.table) as cost:
        found = ask()
    assert cost.reads <= 200
    assert found == ("44 rows" if late else "0 rows")
