"""`hub refresh`: have Codat read again now, outside any schedule."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.environments import Name, control_api
from tools.cli.terminal.confirmation import Leave
from tools.cli.terminal.moments import readable
from tools.cli.terminal.options import (
    CompanyArgument,
    EnvOption,
    JsonOption,
    ProductArgument,
    WatchOption,
    YesOption,
    YesProdOption,
)
from tools.cli.terminal.output import Output, words
from tools.cli.terminal.watching import watch

type Json = dict[str, Any]

app = typer.Typer(help="Refresh a custom product's data now.", no_args_is_help=True)

DataTypeOption = Annotated[
    list[str] | None,
    typer.Option("--data-type", help="Only these of the product's; again for more."),
]
OptionalProduct = Annotated[
    str | None, typer.Argument(metavar="[PRODUCT]", help="As `products list` has it.")
]

# A ticket in one of these goes no further; all others are on their way.
_ENDED_BADLY: Final = frozenset({"still_syncing", "rate_limited", "failed", "cancelled"})
_OVER: Final = _ENDED_BADLY | {"completed"}
_SENT: Final = "sent"  # at a worker already: its next attempt is only for one that died


@app.command()
def company(
    company: CompanyArgument,
    env: EnvOption,
    product: OptionalProduct = None,
    data_type: DataTypeOption = None,
    stay: WatchOption = False,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Refresh one company's product, or some of its data types.

    Without PRODUCT: by client-level settings, for a company that has not been migrated yet.
    """
    output = Output(as_json=as_json)
    what = product or "all that client-level settings read"
    Leave(env, yes_prod=yes_prod).to_change(f"Refresh {what} of {company}?")
    with control_api(env) as api:
        ticket = api.post(_path(company, product), {"data_types": data_type} if data_type else None)
        if stay:
            ticket = _watch(output, api, company, product, env)
    _show(output, ticket)
    if not stay:
        output.note(f"Follow it: {_again(company, product, env)} --watch")


@app.command("product")
def whole_product(
    product: ProductArgument,
    env: EnvOption,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Refresh a product of every company that has it, at the pace that Codat allows."""
    output = Output(as_json=as_json)
    question = f"Refresh {product} of every company that has it? That may take a call for each."
    Leave(env, yes, yes_prod).to_remove(question)
    with control_api(env) as api:
        run = api.post(f"products/{segment(product)}/refresh")
    output.result(run, f"{product} is being refreshed for every company that has it.")
    output.note(f"See how far that is: tools/hub freshness --product {product} --env {env}")


@app.command()
def show(
    company: CompanyArgument,
    env: EnvOption,
    product: OptionalProduct = None,
    stay: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show where a company's refresh is; without PRODUCT the one by client-level settings."""
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
    if ticket["status"] == "cancelled":
        said = f"The refresh of {product} of {company} is cancelled."
    else:
        said = f"There is nothing left to cancel: it is {words(ticket['status'])}."
    output.result(ticket, said)


def _path(company: str, product: str | None) -> str:
    of = f"/products/{segment(product)}" if product else ""
    return f"companies/{segment(company)}{of}/refresh"


def _again(company: str, product: str | None, env: Name) -> str:
    return f"tools/hub refresh show {company}{f' {product}' if product else ''} --env {env}"


def _watch(output: Output, api: ControlApi, company: str, product: str | None, env: Name) -> Json:
    return watch(
        output,
        lambda: api.get(_path(company, product)),
        over=lambda ticket: ticket["status"] in _OVER,
        progress=_progress,
        again=f"{_again(company, product, env)} --watch",
    )


def _progress(ticket: Json) -> str:
    calls = ticket["attempts"]
    tried = f", {calls} call{'s' if calls > 1 else ''} so far" if calls else ""
    kept = f", kept back by {words(ticket['waits_for'])}" if ticket["waits_for"] else ""
    due = ticket["next_attempt_at"] if ticket["status"] != _SENT else None
    return f"{words(ticket['status'])}{tried}{kept}" + (f", next {readable(due)}" if due else "")


def _show(output: Output, ticket: Json) -> None:
    """Print a ticket; one that ended badly ends the command so, too."""
    if output.as_json:
        output.result(ticket)
    else:
        output.facts(_facts(ticket))
    if ticket["status"] in _ENDED_BADLY:
        raise typer.Exit(1)


def _facts(ticket: Json) -> Iterator[tuple[str, Any]]:
    yield "status", words(ticket["status"])
    yield "calls", ticket["attempts"]
    for name in ("slot", "opened_at", "accepted_at", "next_attempt_at", "deadline"):
        if ticket[name] and (name, ticket["status"]) != ("next_attempt_at", _SENT):
            yield words(name.removesuffix("_at")), readable(ticket[name])
    for name in ("data_types", "requested_by"):
        if ticket[name]:
            yield words(name), ticket[name]
    if ticket["waits_for"]:
        yield "kept back by", words(ticket["waits_for"])
    if ticket["error"]:
        yield "last error", f"{words(ticket['error']['kind'])}: {ticket['error']['message']}"
