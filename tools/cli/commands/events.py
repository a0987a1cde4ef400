"""`hub events`: give a team its product events, or all its data, again; follow the bus."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from tools.cli.api import ControlApi, segment
from tools.cli.environments import Name, control_api
from tools.cli.failures import Failure, Misused, Refused
from tools.cli.terminal import watching
from tools.cli.terminal.confirmation import Confirmation
from tools.cli.terminal.moments import readable, time_given
from tools.cli.terminal.options import (
    EnvOption,
    JsonOption,
    StayOption,
    WatchOption,
    YesOption,
    YesProdOption,
)
from tools.cli.terminal.output import Column, Output
from tools.cli.terminal.watching import watch

type Json = dict[str, Any]

app = typer.Typer(
    help="Give a team its product events, or all its data, again; follow the bus.",
    no_args_is_help=True,
)

ResendArgument = Annotated[
    str, typer.Argument(metavar="RESEND", help="The id, as `events resend` printed it.")
]
_OVER: Final = frozenset({"complete", "cancelled", "failed"})
_PAUSE: Final = 1.0  # seconds
_GONE: Final = 404


@app.command()
def resend(
    env: EnvOption,
    rule: Annotated[str, typer.Option(metavar="NAME", help="The team's rule on the product bus.")],
    since: Annotated[
        str,
        typer.Option(
            "--from", metavar="TIME", help="Published since then: 2026-11-22T10:00, or an age: 6h."
        ),
    ],
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Published before then; now if left out."),
    ] = None,
    stay: StayOption = True,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Hand the archived events of a time span to one rule again; other teams get nothing."""
    output = Output(as_json=as_json)
    span = {"from": time_given("--from", since), "to": time_given("--to", until or "0s")}
    body = {"rule": rule, **span}
    with control_api(env) as api:
        planned = api.post("resends", body, dry_run=True)
        Confirmation(env, yes, yes_prod).ask(
            f"Resend what {rule} selects of the events from {span['from']} to {span['to']}? The"
            f" archive has {planned['events_at_most']} events in all."
        )
        resend = api.post("resends", body)
        if stay:
            resend = _watch(output, api, resend["resend_id"], env)
    _show(output, resend)
    if not stay:
        output.note(f"Follow it: {_again(resend['resend_id'], env)} --watch")


@app.command()
def show(
    resend_id: ResendArgument,
    env: EnvOption,
    stay: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the progress of a resend."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        if stay:
            resend = _watch(output, api, resend_id, env)
        else:
            resend = api.get(f"resends/{segment(resend_id)}")
    _show(output, resend)


@app.command()
def cancel(
    resend_id: ResendArgument,
    env: EnvOption,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Cancel a resend. What the rule has got already stays with its team."""
    output = Output(as_json=as_json)
    Confirmation(env, yes, yes_prod).ask(f"Cancel the resend {resend_id}?")
    with control_api(env) as api:
        resend = api.delete(f"resends/{segment(resend_id)}")
    if resend["status"] in {"complete", "failed"}:
        line = f"Nothing left to cancel: the resend is {resend['status']}."
    else:
        line = f"The resend {resend_id} is {resend['status']}."
    output.result(resend, line)


@app.command("full-load")
def full_load(
    env: EnvOption,
    product: Annotated[str, typer.Option(help="The product's identifier.")],
    company: Annotated[str | None, typer.Option(help="Only of this company.")] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Of every company that has the product.")
    ] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Also ask Codat to read now.")] = False,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Make the next read of a product a full load, so that its team reads everything again."""
    output = Output(as_json=as_json)
    if (company is not None) is everyone:
        raise Misused("Select companies in exactly one way: with --company COMPANY or with --all.")
    confirmation = Confirmation(env, yes, yes_prod)
    of_product = f"products/{segment(product)}"
    if company is None:
        path, whose = of_product, "every company that has it"
        calls = " It makes up to one call for each company." if refresh else ""
        confirmation.ask(
            f"Owe a full load of {product} to {whose}? Its team then reads all records of all of"
            f" them again.{calls}"
        )
    else:
        path, whose = f"companies/{segment(company)}/{of_product}", company
        confirmation.ask_in_prod(f"Owe a full load of {product} for {company}?")
    with control_api(env) as api:
        owed = api.post(f"{path}/full-load")
        if refresh:
            api.post(f"{path}/refresh")
    when = "Codat reads it now" if refresh else "it comes with the next read"
    output.result(owed, f"A full load of {product} is owed for {whose}: {when}.")
    if not refresh:
        output.note("To ask Codat to read now, add: --refresh")


@app.command()
def tail(
    env: EnvOption,
    product: Annotated[str | None, typer.Option(help="Only events of this product.")] = None,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Show product events as they come, until Ctrl-C or for an hour. It takes them from no team."""
    output = Output(as_json=as_json)
    Confirmation(env, yes_prod=yes_prod).ask_in_prod("Add a rule and a queue for an hour at most?")
    with control_api(env) as api:
        opened = api.post("tails", {"product": product} if product else None)
        output.note(f"Waiting for events until {readable(opened['open_until'])}. Ctrl-C ends it.")
        try:
            output.table(_events(api, opened["tail_id"]), _COLUMNS, "No event came.")
        except KeyboardInterrupt:
            output.note("Stopped.")
        finally:
            api.delete(f"tails/{segment(opened['tail_id'])}")


def _events(api: ControlApi, tail_id: str) -> Iterator[list[Json]]:
    """Yield the events as they come, until Ctrl-C or the end of the tail."""
    while True:
        try:
            events = api.post(f"tails/{segment(tail_id)}/events")["events"]
            yield [event["detail"] for event in events]
            sys.stdout.flush()
            if not events:
                watching.pause(_PAUSE)
        except KeyboardInterrupt:
            return  # so that a JSON array is closed
        except Refused as refusal:
            if refusal.status != _GONE:
                raise
            return


def _windows(detail: Json) -> str:
    entries = [entry for entry in detail["data_types"] if entry["status"] == "Complete"]
    full = sum(entry["full_load"] for entry in entries)
    return f"{len(entries)} of {len(detail['data_types'])} complete, {full} full"


_COLUMNS: Final = [
    Column("occurred", lambda detail: detail["occurred_at"][:19], whole=True),
    Column("product", lambda detail: detail["product"], whole=True),
    Column("company", lambda detail: detail["company_id"], whole=True),
    Column("outcome", lambda detail: detail["outcome"], whole=True),
    Column("data types", _windows),
]


def _again(resend_id: str, env: Name) -> str:
    return f"tools/hub events show {resend_id} --env {env}"


def _watch(output: Output, api: ControlApi, resend_id: str, env: Name) -> Json:
    return watch(
        output,
        lambda: api.get(f"resends/{segment(resend_id)}"),
        over=lambda resend: resend["status"] in _OVER,
        progress=lambda resend: f"{resend['status']}: {_reached(resend)}",
        again=f"{_again(resend_id, env)} --watch",
    )


def _reached(resend: Json) -> str:
    return f"up to {readable(resend['reached'])}" if resend["reached"] else "no event yet"


def _show(output: Output, resend: Json) -> None:
    if output.as_json:
        output.result(resend)
    else:
        output.facts(
            [
                ("resend", resend["resend_id"]),
                ("rule", resend["rule"]),
                ("events", f"from {readable(resend['from'])} to {readable(resend['to'])}"),
                ("status", resend["status"]),
                ("reached", _reached(resend)),
                ("started", readable(resend["started_at"])),
                ("by", resend["requested_by"]),
            ]
        )
    if resend["status"] == "failed":
        raise Failure(
            f"The resend failed: {resend['reason']}",
            "Start it again: the team drops what it got already by event_key and replay-name.",
        )
