"""`hub freshness`: how old each company's data is, product by product, against its cadence."""

from typing import Annotated, Any

import typer

from tools.cli.environments import control_api
from tools.cli.moments import readable
from tools.cli.options import EnvOption, JsonOption
from tools.cli.output import Column, Output

type Json = dict[str, Any]


def freshness(
    env: EnvOption,
    product: Annotated[str | None, typer.Option("--product", help="Only this product.")] = None,
    company: Annotated[str | None, typer.Option("--company", help="Only this company.")] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only what is older than its cadence allows.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show when each product of each company was last read, and what is overdue."""
    output = Output(as_json=as_json)
    filters = {"product": product, "company_id": company, "overdue": overdue or None}
    with control_api(env) as api:
        count = output.table(
            api.pages("freshness", "freshness", **filters),
            [
                Column("company", lambda one: one["company_id"], whole=True),
                Column("product", lambda one: one["product"], whole=True),
                Column("last read", lambda one: readable(one.get("last_read_at"))),
                Column("due", lambda one: readable(one.get("due_at"))),
                Column("overdue", lambda one: "overdue" if one.get("overdue") else ""),
            ],
            f"Nothing is overdue in {env}."
            if overdue
            else f"Nothing to show: no company in {env} has such a product. "
            f"See who there is: tools/hub companies list --env {env}",
        )
    if count:
        output.note(f"{count} of a company and a product")
