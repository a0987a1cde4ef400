"""`hub refresh`: have Codat read again now, outside any schedule."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.confirmation import Leave
from tools.cli.environments import Name, control_api
from tools.cli.moments import readable
from tools.cli.options import (
    CompanyArgument,
    EnvOption,
    JsonOption,
    ProductArgument,
    YesOption,
    YesProdOption,
)
from tools.cli.output import Output
from tools.cli.watching import watch

type Json = dict[str, Any]

app = typer.Typer(help="Refresh a custom product's data now.", no_args_is_help=True)

DataTypeOption = Annotated[
    list[str] | None,
    typer.Option("--data-type", help="Only these of the product's; again for more."),
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Stay until it is over.")]

# A ticket in one of these goes no further; all others are on their way.
_ENDED_BADLY: Final = frozenset({"still_syncing", "rate_limited", "failed", "cancelled"})
_OVER: Final = _ENDED_BADLY | {"completed"}


@app.command()
def company(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    data_type: DataTypeOption = None,
    stay: WatchOption = False,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Refresh one company's product, or some of its data types."""
    output = Output(as_json=as_json)
    Leave(env, yes_prod=yes_prod).to_change(f"Refresh {product} of {company}?")
    body = {"data_types": data_type} if data_type else None
    with control_api(env) as api:
        ticket = api.post(_path(company, product), body)
        if stay:
            ticket = _watch(output, api, company, product, env)
    _show(output, ticket)
    if not stay:
        output.note(f"Follow it: {_again(company, product, env)} --watch")


@app.command()
def show(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    stay: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show where a company's refresh is."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        if stay:
            ticket = _watch(output, api, company, product, env)
        else:
            ticket = api.get(_path(company, product))
    _show(output, ticket)


@app.command()
def cancel(
    company: CompanyArgument,
    product: ProductArgument,
    env: EnvOption,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Make no further call for a refresh. What Codat has accepted it finishes."""
    output = Output(as_json=as_json)
    Leave(env, yes, yes_prod).to_remove(f"Cancel the refresh of {product} of {company}?")
    with control_api(env) as api:
        ticket = api.delete(_path(company, product))
    output.result(ticket, f"The refresh of {product} of {company} is cancelled.")


def _path(company: str, product: str) -> str:
    return f"companies/{segment(company)}/products/{segment(product)}/refresh"


def _again(company: str, product: str, env: Name) -> str:
    return f"tools/hub refresh show {company} {product} --env {env}"


def _watch(output: Output, api: ControlApi, company: str, product: str, env: Name) -> Json:
    return watch(
        output,
        lambda: api.get(_path(company, product)),
        over=lambda ticket: ticket["status"] in _OVER,
        progress=_progress,
        again=f"{_again(company, product, env)} --watch",
    )


def _progress(ticket: Json) -> str:
    tried = f", {ticket['attempts']} calls so far" if ticket.get("attempts") else ""
    due = ticket.get("next_attempt_at")
    return f"{ticket['status']}{tried}" + (f", next {readable(due)}" if due else "")


def _show(output: Output, ticket: Json) -> None:
    """Print a ticket; one that ended badly ends the command so, too."""
    if output.as_json:
        output.result(ticket)
    else:
        output.facts(_facts(ticket))
    if ticket["status"] in _ENDED_BADLY:
        raise typer.Exit(1)


def _facts(ticket: Json) -> Iterator[tuple[str, Any]]:
    yield "status", ticket["status"]
    yield "calls", ticket.get("attempts", 0)
    for name in ("next_attempt_at", "deadline"):
        yield name.replace("_", " "), readable(ticket.get(name))
    if ticket.get("data_types"):
        yield "data types", ticket["data_types"]
    if ticket.get("error"):
        yield "error", ticket["error"]
