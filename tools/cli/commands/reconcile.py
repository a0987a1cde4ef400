"""`hub reconcile`: compare Codat with the hub, and show repairs and work for a person."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from tools.cli.api import ControlApi, segment
from tools.cli.environments import Name, control_api
from tools.cli.failures import Failure
from tools.cli.terminal.confirmation import Confirmation
from tools.cli.terminal.moments import readable
from tools.cli.terminal.options import EnvOption, JsonOption, StayOption, WatchOption, YesProdOption
from tools.cli.terminal.output import Column, Output, print_json, words
from tools.cli.terminal.watching import watch

type Json = dict[str, Any]

app = typer.Typer(
    help="Compare Codat with the hub: companies, products, connections, webhooks, settings.",
    no_args_is_help=True,
)

_OVER: Final = frozenset({"complete", "failed"})
_STYLES: Final = {"unsafe": "bold red", "warning": "yellow"}
_LISTED: Final = (
    "items",
    "next_cursor",
)  # fields of the answer that belong to the page, not to the run


@app.command()
def start(
    env: EnvOption,
    stay: StayOption = True,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
    confirm_gone: Annotated[
        str | None,
        typer.Option(
            metavar="RECONCILE",
            help="The reconcile whose vanished companies are really deleted at Codat.",
        ),
    ] = None,
) -> None:
    """Compare now. The hub repairs its own side; at Codat it only finishes removals."""
    output = Output(as_json=as_json)
    Confirmation(env, yes_prod=yes_prod).ask_in_prod(
        "Compare Codat with the hub, and repair the hub's side?"
    )
    with control_api(env) as api:
        run = api.post("reconciles", {"confirm_gone": confirm_gone} if confirm_gone else None)
        if stay:
            run = _follow(output, api, run["reconcile_id"], env)
            _show(output, api, run, env)
            return
    output.result(run, f"Reconcile {run['reconcile_id']} is {run['status']}.")
    output.note(f"Follow it: {_again(run['reconcile_id'], env)} --watch")


@app.command("list")
def list_(env: EnvOption, as_json: JsonOption = False) -> None:
    """List runs, the newest first."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        output.table(
            api.pages("reconciles", "reconciles"),
            [
                Column("reconcile", lambda run: run["reconcile_id"], whole=True),
                Column("status", lambda run: run["status"]),
                Column("requested", lambda run: readable(run["requested_at"])),
                Column("by", lambda run: run["requested_by"]),
                Column("drift", lambda run: sum(run["drift"].values()), right=True),
                Column("repaired", lambda run: run["mended"], right=True),
                Column("for a person", lambda run: run["unsafe"], right=True),
            ],
            f"No reconcile in {env} yet. Start one: tools/hub reconcile start --env {env}",
        )


@app.command()
def show(
    env: EnvOption,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", help="The id, as `reconcile list` shows it; the newest if left out."
        ),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only drift of this kind.")] = None,
    stay: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a run and the drift that it found."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        run = run or _newest(api, env)
        found = _follow(output, api, run, env) if stay else _read(api, run)
        _show(output, api, found, env, kind)


def _newest(api: ControlApi, env: Name) -> str:
    runs = api.get("reconciles", limit=1)["reconciles"]
    if not runs:
        raise Failure(
            f"No reconcile in {env} yet.", f"Start one: tools/hub reconcile start --env {env}"
        )
    return str(runs[0]["reconcile_id"])


def _read(api: ControlApi, run: str) -> Json:
    return api.get(f"reconciles/{segment(run)}", limit=1)


def _follow(output: Output, api: ControlApi, run: str, env: Name) -> Json:
    return watch(
        output,
        lambda: _read(api, run),
        over=lambda found: found["status"] in _OVER,
        progress=_progress,
        again=f"{_again(run, env)} --watch",
    )


def _again(run: str, env: Name) -> str:
    return f"tools/hub reconcile show {run} --env {env}"


def _progress(run: Json) -> str:
    of = f" of {run['companies_at_codat']}" if run.get("companies_at_codat") is not None else ""
    waiting = run.get("waiting_until")
    held = f", waiting for Codat's quota until {readable(waiting)}" if waiting else ""
    failure = f"; trying again after: {run['error']}" if run["error"] else ""
    return (
        f"{run['status']}, {run['phase']}: {run['counts'].get('companies', 0)}{of} "
        f"companies{held}{failure}"
    )


def _show(output: Output, api: ControlApi, run: Json, env: Name, kind: str | None = None) -> None:
    """Print a run with its drift, page by page; a failed one fails the command."""
    run = {name: value for name, value in run.items() if name not in _LISTED}
    pages = api.pages(f"reconciles/{segment(run['reconcile_id'])}", "items", kind=kind)
    if output.as_json:
        print_json(run | {"items": [drift for page in pages for drift in page]})
    else:
        output.facts(_facts(run))
        output.out.print()
        _draw(output, pages, _nothing_listed(run, env, kind))
    if run["status"] == "failed":
        raise Failure(
            f"The reconcile failed: {run.get('error')}",
            f"Start it again: tools/hub reconcile start --env {env}",
        )


def _nothing_listed(run: Json, env: Name, kind: str | None) -> str:
    """Return what an empty list means; only a complete run can say that both sides agree."""
    if run["status"] != "complete":
        return "No drift so far; the comparison is not complete."
    return f"Codat and {env} agree." if kind is None else f"No drift of the kind {kind}."


def _draw(output: Output, pages: Iterator[list[Json]], empty: str) -> None:
    """Print the drift, and then once for each kind what a person has to do."""
    to_do: dict[str, str] = {}

    def noting() -> Iterator[list[Json]]:
        for page in pages:
            to_do.update({drift["kind"]: drift["to_do"] for drift in page if _for_a_person(drift)})
            yield page

    output.table(
        noting(),
        [
            Column("severity", _severity, whole=True),
            Column("what", lambda drift: words(drift["kind"]), whole=True),
            Column("company", lambda drift: drift.get("company_id"), whole=True),
            Column("product", lambda drift: drift.get("product")),
            Column("about", lambda drift: drift.get("subject")),
            Column("repaired", lambda drift: "yes" if drift["mended"] else "no"),
            Column("detail", lambda drift: drift["detail"]),
        ],
        empty,
    )
    if to_do:
        output.out.print("\nWhat to do", style="bold")
        output.facts((words(kind), text) for kind, text in to_do.items())


def _for_a_person(drift: Json) -> bool:
    return not drift["mended"] and drift["severity"] != "info"


def _facts(run: Json) -> list[tuple[str, Any]]:
    counts = ", ".join(f"{count} {words(name)}" for name, count in sorted(run["counts"].items()))
    return [
        ("reconcile", run["reconcile_id"]),
        ("status", run["status"]),
        ("requested", readable(run["requested_at"])),
        ("by", run["requested_by"]),
        ("finished", readable(run["finished_at"])),
        ("counted", counts),
        ("repaired", run["mended"]),
        ("for a person", run["unsafe"]),
        *([("last error", run["error"])] if run["error"] and run["status"] not in _OVER else ()),
    ]


def _severity(drift: Json) -> Text:
    severity = str(drift["severity"])
    return Text(severity, style=_STYLES.get(severity, ""))
