"""`hub freshness`: when each product of each company was last read, and what is overdue."""

from typing import Annotated, Any, Final

import typer
from rich.text import Text

from tools.cli.api import segment
from tools.cli.environments import control_api
from tools.cli.terminal.moments import lasting, readable
from tools.cli.terminal.options import EnvOption, JsonOption
from tools.cli.terminal.output import Column, Output

type Json = dict[str, Any]

_PAGE: Final = 200  # the largest page of the API


def freshness(
    env: EnvOption,
    product: Annotated[str | None, typer.Option("--product", help="Only this product.")] = None,
    company: Annotated[str | None, typer.Option("--company", help="Only this company.")] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only data that is older than its schedule allows.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show when each product of each company was last read, and what is overdue."""
    output = Output(as_json=as_json)
    filters = {"product": product, "company": company, "overdue": overdue or None}
    with control_api(env) as api:
        # an unknown product must fail, or a typing error would look like good news
        if product is not None:
            api.get(f"products/{segment(product)}")
        count = output.table(
            api.pages("freshness", "freshness", limit=_PAGE, **filters),
            [
                Column("company", lambda row: row["company_id"], whole=True),
                Column("name", lambda row: row["company_name"]),
                Column("product", lambda row: row["product"], whole=True),
                Column("last read", lambda row: readable(row["last_read_at"])),
                Column("due", lambda row: readable(row["due_at"])),
                Column("state", _state),
            ],
            f"Nothing is overdue in {env}."
            if overdue
            else f"No company in {env} has such a product. "
            f"List the companies: tools/hub companies list --env {env}",
        )
    if count:
        output.note(f"{count} row{'s' if count > 1 else ''}, one for each product of a company")


def _state(row: Json) -> Text:
    """Return how late the data is, or else why it is not read."""
    if row["overdue"]:
        return Text(f"{lasting(row['overdue_seconds'])} overdue", style="bold red")
    if row["unsuccessful"]:
        return Text(f"failed: {', '.join(row['unsuccessful'])}", style="yellow")
    unusual = [
        (row["status"] != "assigned", row["status"]),
        (not row["consent"], "no consent"),
        (not row["linked"], "not linked"),
        (row["cadence_seconds"] is None, "no schedule"),
        (not row["last_read_at"], "not read yet"),
    ]
    return Text(next((text for holds, text in unusual if holds), "fresh"))
