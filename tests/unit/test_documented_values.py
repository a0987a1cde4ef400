"""The tables of the documents name every value that people and programs meet, and no other."""

import re

import typer

from codat_hub.api.app import openapi
from codat_hub.rate_limiting.domain.breaker import Cause
from codat_hub.rate_limiting.domain.waits import Waits
from codat_hub.refresh.domain.ticket import TicketStatus
from tests.support.refresh_worker import kinds
from tools.cli.__main__ import app
from tools.cli.commands import migrations
from tools.samconfig import ROOT
from tools.statemachine import saga
from tools.statemachine.rows import Person
from tools.template import TEMPLATE

# Options that many commands share; docs/operate/README.md explains them.
SHARED = {"--env", "--json", "--watch", "--no-watch", "--yes", "--yes-prod"}
# Kinds of error that no answer of Codat's gives a ticket.
WITHOUT_A_CALL = {"wrong_client", "cancelled", "breaker_open", "never_called"}


def section(page, heading):
    text = (ROOT / "docs" / page).read_text()
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table(page, heading, first):
    """Return the rows of the table whose first column has this heading, cell by cell."""
    after = section(page, heading).partition(f"\n| {first} |")[2]
    lines = after.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def names(rows, column=0):
    return sorted(name for row in rows for name in re.findall(r"`([\w-]+)`", row[column]))


def test_the_control_api_explains_every_status_of_a_problem():
    answered = {
        status
        for methods in openapi()["paths"].values()
        for operation in methods.values()
        for status in operation["responses"]
        if not status.startswith("2")
    }
    rows = table("control-api.md", "Problems", "Status")
    assert sorted(status for row in rows for status in row[0].split(", ")) == sorted(answered)


def test_the_control_api_lists_every_route():
    listed, methods = set(), []
    for cell, *_ in table("control-api.md", "Routes", "Route"):
        for method, path in re.findall(r"`([A-Z]+)(?: (/[^`]+))?`", cell):
            methods.append(method)
            if path:
                listed |= {(method, re.sub(r"{.+?}", "{}", path)) for method in methods}
                methods = []
    routes = {
        (method.upper(), re.sub(r"{.+?}", "{}", path))
        for path, operations in openapi()["paths"].items()
        for method in operations
        if not path.startswith("/migrations/{migration_id}/")  # "the actions on one"
    }
    assert listed == routes


def test_the_operators_page_lists_every_command():
    listed = {}
    for cell, *_ in table("operate/README.md", "Commands", "Command"):
        group, *commands = re.findall(r"[a-z-]+", cell.partition("` and others")[0])
        listed[group] = set(commands)
    groups = typer.main.get_command(app).commands
    assert listed["migrations"] < set(groups["migrations"].commands)
    listed["migrations"] = set(groups["migrations"].commands)
    assert listed == {name: set(getattr(group, "commands", ())) for name, group in groups.items()}


def test_refreshes_explain_every_status_and_every_wait_of_a_ticket():
    rows = table("operate/refreshes.md", "What a ticket says", "Ticket")
    assert names(rows) == sorted(TicketStatus)
    (queued,) = [row for row in rows if row[0] == "`queued`"]
    assert set(names([queued], 1)) - {"waits_for"} == set(Waits)


def test_refreshes_explain_every_kind_of_error():
    rows = table("operate/refreshes.md", "What a ticket says", "`error.kind`")
    assert names(rows) == sorted(kinds() | WITHOUT_A_CALL)


def test_refreshes_explain_every_cause_of_a_stop():
    rows = table("operate/refreshes.md", "When refreshes stop", "Cause")
    assert names(rows) == sorted(Cause)


def test_migrate_explains_every_option_of_a_start():
    command = typer.main.get_command(migrations.app).commands["start"]
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    text = (ROOT / "docs/operate/migrate.md").read_text()
    assert {option for option in options - SHARED if option not in text} == set()


def test_migrate_names_every_stop_for_a_person_and_how_long_it_lasts():
    rows = table("operate/migrate.md", "Six stops for a person", "It waits for")
    lasting = [re.match(r"(\d+) (h|days)", row[-1]).groups() for row in rows]
    hours = [int(number) * (24 if unit == "days" else 1) for number, unit in lasting]
    assert len(hours) == 6
    stops = [row.hours for row in saga.THERE if isinstance(row, Person)]
    assert sorted(hours) == sorted(stops)


def test_deploy_names_the_default_of_a_parameter():
    """Compare each default that is a number or a code span; others are in words."""
    shown = {}
    for named, defaults, *_ in table("deploy.md", "Parameters", "Parameter"):
        values = re.findall(r"^-?\d+|(?<=, )\d+|(?<=^`)[^`]+", defaults)
        shown |= zip(re.findall(r"`(\w+)`", named), values, strict=False)
    del shown["RolePath"]  # an empty path is the root
    assert len(shown) > 15
    assert shown == {name: str(TEMPLATE["Parameters"][name]["Default"]) for name in shown}
