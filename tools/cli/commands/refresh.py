"""`hub refresh`: ask Codat to read now, outside any schedule."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.environments import Name, control_api
from tools.cli.terminal.confirmation import Confirmation
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
    typer.Option("--data-type", metavar="TYPE", help="Only this data type; repeat for more."),
]
OptionalProduct = Annotated[
    str | None,
    typer.Argument(metavar="PRODUCT", help="The identifier, as `products list` shows it."),
]

# A ticket with one of these statuses has ended without new data.
_ENDED_BADLY: Final = frozenset({"still_syncing", "rate_limited", "failed", "cancelled"})
_OVER: Final = _ENDED_BADLY | {"completed"}
_SENT: Final = "sent"  # a worker has it; the next attempt counts only if that worker dies


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

    Without PRODUCT: by client-level settings, for a company that is not migrated yet.
    """
    output = Output(as_json=as_json)
    what = product or "everything on client-level settings"
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(f"Refresh {what} of {company}?")
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
    """Refresh a product for every company that has it, at the pace that Codat allows."""
    output = Output(as_json=as_json)
    question = f"Refresh {product} for every company that has it? It makes up to one call each."
    Confirmation(env, yes, yes_prod).ask(question)
    with control_api(env) as api:
        run = api.post(f"products/{segment(product)}/refresh")
    output.result(run, f"The refresh of {product} for every company has started.")
    output.note(f"See the progress: tools/hub freshness --product {product} --env {env}")


@app.command()
def show(
    company: CompanyArgument,
    env: EnvOption,
    product: OptionalProduct = None,
    stay: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a company's refresh. Without PRODUCT: the one by client-level settings."""
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
    """Cancel a refresh: no further call. Codat finishes a read that it has accepted."""
    output = Output(as_json=as_json)
    Confirmation(env, yes, yes_prod).ask(f"Cancel the refresh of {product} for {company}?")
    with control_api(env) as api:
        ticket = api.delete(_path(company, product))
    if ticket["status"] == "cancelled":
        line = f"The refresh of {product} for {company} is cancelled."
    else:
        line = f"Nothing left to cancel: the refresh is {words(ticket['status'])}."
    output.result(ticket, line)


def _path(company: str, product: str | None) -> str:
    part = f"/products/{segment(product)}" if product else ""
    return f"companies/{segment(company)}{part}/refresh"


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
    waits = f", waits for {words(ticket['waits_for'])}" if ticket["waits_for"] else ""
    due = ticket["next_attempt_at"] if ticket["status"] != _SENT else None
    return f"{words(ticket['status'])}{tried}{waits}" + (f", next {readable(due)}" if due else "")


def _show(output: Output, ticket: Json) -> None:
    """Print a ticket; a ticket that ended badly makes the command fail."""
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
        yield "waits for", words(ticket["waits_for"])
    if ticket["error"]:
        yield "last error", f"{words(ticket['error']['kind'])}: {ticket['error']['message']}"
