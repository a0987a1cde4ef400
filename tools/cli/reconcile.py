"""`hub reconcile`: Codat's truth against the hub's, what was mended and what a person must do."""

from typing import Annotated, Any, Final

import typer
from rich.text import Text

from tools.cli.api import ControlApi, segment
from tools.cli.confirmation import Leave
from tools.cli.environments import Name, control_api
from tools.cli.failures import Failure
from tools.cli.moments import readable
from tools.cli.options import EnvOption, JsonOption, YesProdOption
from tools.cli.output import Column, Output, print_json
from tools.cli.watching import watch

type Json = dict[str, Any]

app = typer.Typer(
    help="Compare Codat with the hub: companies, products, connections, webhooks, settings.",
    no_args_is_help=True,
)

_OVER: Final = frozenset({"complete", "failed"})
_STYLES: Final = {"unsafe": "bold red", "warning": "yellow"}
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="As `start` named it; the newest if left out.")
]


@app.command()
def start(
    env: EnvOption,
    stay: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Stay until it is over, or only start it.")
    ] = True,
    as_json: JsonOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Compare now. The hub's own side is put right; at Codat nothing is changed."""
    output = Output(as_json=as_json)
    Leave(env, yes_prod=yes_prod).to_change("Compare Codat with the hub?")
    with control_api(env) as api:
        run = api.post("reconciles")
        if stay:
            run = follow(output, api, run["reconcile_id"], env)
            _show(output, api, run, env)
            return
    output.result(run, f"Reconcile {run['reconcile_id']} has begun.")
    output.note(f"Follow it: {_again(run['reconcile_id'], env)} --watch")


@app.command()
def show(
    env: EnvOption,
    run: RunArgument = "latest",
    stay: Annotated[bool, typer.Option("--watch", help="Stay until it is over.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a run and what it found."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = follow(output, api, run, env) if stay else api.get(f"reconciles/{segment(run)}")
        _show(output, api, found, env)


def follow(output: Output, api: ControlApi, run: str, env: Name) -> Json:
    """Watch a run until it is over; return it."""
    return watch(
        output,
        lambda: api.get(f"reconciles/{segment(run)}"),
        over=lambda found: found["status"] in _OVER,
        progress=_progress,
        again=f"{_again(run, env)} --watch",
    )


def _again(run: str, env: Name) -> str:
    return f"tools/hub reconcile show {run} --env {env}"


def _progress(run: Json) -> str:
    counts = run.get("counts") or {}
    done = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"{run['status']}" + (f": {done}" if done else "")


def _show(output: Output, api: ControlApi, run: Json, env: Name) -> None:
    """Print a run with its drift, which comes page by page; a failed one fails the command."""
    path = f"reconciles/{segment(run['reconcile_id'])}/drift"
    if output.as_json:
        drift = [one for page in api.pages(path, "drift") for one in page]
        print_json(run | {"drift": drift})
    else:
        output.facts(_facts(run))
        output.out.print()
        output.table(
            api.pages(path, "drift"),
            [
                Column("severity", _severity, whole=True),
                Column("what", lambda one: one["kind"].replace("_", " ")),
                Column("company", lambda one: one.get("company_id"), whole=True),
                Column("product", lambda one: one.get("product")),
                Column("detail", lambda one: one["detail"]),
                Column("mended", lambda one: "yes" if one["mended"] else "no"),
            ],
            f"Codat and {env} agree.",
        )
    if run["status"] == "failed":
        raise Failure(
            f"The reconcile failed: {run.get('error')}",
            f"Start it again: tools/hub reconcile start --env {env}",
        )


def _facts(run: Json) -> list[tuple[str, Any]]:
    return [
        ("reconcile", run["reconcile_id"]),
        ("status", run["status"]),
        ("asked", readable(run.get("requested_at"))),
        ("by", run.get("requested_by")),
        ("finished", readable(run.get("finished_at"))),
        ("counted", _progress(run).partition(": ")[2]),
        ("mended", run.get("mended")),
        ("for a person", run.get("unsafe")),
    ]


def _severity(drift: Json) -> Text:
    severity = str(drift.get("severity", ""))
    return Text(severity, style=_STYLES.get(severity, ""))
