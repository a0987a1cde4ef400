"""`hub freshness`: how old each company's data is, product by product, against its cadence."""

from typing import Annotated, Any, Final

import typer
from rich.text import Text

from tools.cli.api import segment
from tools.cli.environments import control_api
from tools.cli.terminal.moments import lasting, readable
from tools.cli.terminal.options import EnvOption, JsonOption
from tools.cli.terminal.output import Column, Output

type Json = dict[str, Any]

_PAGE: Final = 200  # the most that the API gives at once


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
    filters = {"product": product, "company": company, "overdue": overdue or None}
    with control_api(env) as api:
        # of what does not exist nothing is overdue either, and that must not reassure
        if product is not None:
            api.get(f"products/{segment(product)}")
        if company is not None:
            api.get(f"companies/{segment(company)}")
        count = output.table(
            api.pages("freshness", "freshness", limit=_PAGE, **filters),
            [
                Column("company", lambda one: one["company_id"], whole=True),
                Column("name", lambda one: one["company_name"]),
                Column("product", lambda one: one["product"], whole=True),
                Column("last read", lambda one: readable(one["last_read_at"])),
                Column("due", lambda one: readable(one["due_at"])),
                Column("state", _state),
            ],
            f"Nothing is overdue in {env}."
            if overdue
            else f"Nothing to show: no company in {env} has such a product. "
            f"See who there is: tools/hub companies list --env {env}",
        )
    if count:
        output.note(
            f"{count} row{'s' if count > 1 else ''}, each a company and one of its products"
        )


def _state(one: Json) -> Text:
    """Say what stands out: how late it is, or why it is not read at all."""
    if one["overdue"]:
        return Text(f"{lasting(one['overdue_seconds'])} overdue", style="bold red")
    if one["unsuccessful"]:
        return Text(f"failed: {', '.join(one['unsuccessful'])}", style="yellow")
    unusual = [
        (one["status"] != "assigned", one["status"]),
        (not one["consent"], "no consent"),
        (not one["linked"], "not linked"),
        (one["cadence_seconds"] is None, "no schedule"),
        (not one["last_read_at"], "not read yet"),
    ]
    return Text(next((text for holds, text in unusual if holds), "fresh"))
