"""`hub products`: the client's products, kept in a file and applied as a whole."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from tools.cli import product_file, registry
from tools.cli.api import ControlApi, segment
from tools.cli.environments import control_api
from tools.cli.failures import Refused
from tools.cli.product_file import ProductFile
from tools.cli.registry import Change
from tools.cli.terminal.confirmation import Confirmation
from tools.cli.terminal.options import (
    EnvOption,
    JsonOption,
    ProductArgument,
    YesOption,
    YesProdOption,
)
from tools.cli.terminal.output import Column, Output, plain, print_json
from tools.samconfig import ROOT

type Json = dict[str, Any]

app = typer.Typer(
    help="The client's products: kept in a file, applied as a whole.", no_args_is_help=True
)

_FILE: Final = ROOT / "products.yaml"
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A file in the form of products.yaml.")
]
_SIGNS: Final = {
    "add": ("+", "green"),
    "change": ("~", "yellow"),
    "remove": ("-", "red"),
}


@app.command("list")
def list_(env: EnvOption, as_json: JsonOption = False) -> None:
    """List the registered products."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        output.table(
            [list(registry.registered(api).values())],
            [
                Column("product", lambda product: product["product"], whole=True),
                Column("kind", lambda product: product["kind"]),
                Column("data types", lambda product: product["data_types"]),
                Column("schedule", lambda product: _schedule(product.get("schedule"))),
                Column("team", lambda product: product.get("team")),
                Column("consent text", lambda product: product.get("consent_text_version")),
            ],
            f"No products in {env} yet. Register them: tools/hub products apply --env {env}",
        )


@app.command()
def show(product: ProductArgument, env: EnvOption, as_json: JsonOption = False) -> None:
    """Show one registered product."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        found = api.get(f"products/{segment(product)}")
    if as_json:
        print_json(found)
        return
    output.facts(
        [
            ("product", found["product"]),
            ("kind", found["kind"]),
            ("name", found.get("name")),
            ("data types", found["data_types"]),
            ("schedule", _schedule(found.get("schedule"))),
            ("team", found.get("team")),
            ("consent text", found.get("consent_text_version")),
        ]
    )


@app.command()
def diff(env: EnvOption, file: FileArgument = _FILE, as_json: JsonOption = False) -> None:
    """Show what `apply` would change, and what the hub would refuse. Changes nothing."""
    output = Output(as_json=as_json)
    wanted = product_file.load(file)
    with control_api(env) as api:
        found = registry.changes(registry.registered(api), wanted.products)
        warnings = _warnings(api, wanted)
    if as_json:
        print_json({"changes": [change.as_json() for change in found], "warnings": warnings})
        return
    _draw(output, found, warnings)
    if not found:
        output.result(None, f"{env} has exactly the products of {file.name}.")


@app.command()
def apply(
    env: EnvOption,
    file: FileArgument = _FILE,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Apply a file: shows the difference, asks, then changes all of it or nothing."""
    output = Output(as_json=as_json)
    wanted = product_file.load(file)
    with control_api(env) as api:
        found = registry.changes(registry.registered(api), wanted.products)
        if found:
            warnings = registry.apply(api, wanted, dry_run=True)["warnings"]
            if not as_json:
                _draw(output, found, warnings)
            Confirmation(env, yes, yes_prod).ask(f"Apply {_count(found)} to {env}?")
        # even without changes this repairs schedules that an interrupted apply left behind
        scheduled = registry.apply(api, wanted)["scheduled"]
    value = {"changes": [change.as_json() for change in found], "scheduled": scheduled}
    now = "now has" if found else "has"
    output.result(value, f"{env} {now} exactly the products of {file.name}.")
    if scheduled:
        output.note(f"Schedules set: {', '.join(scheduled)}.")


@app.command()
def remove(
    product: ProductArgument,
    env: EnvOption,
    as_json: JsonOption = False,
    yes: YesOption = False,
    yes_prod: YesProdOption = False,
) -> None:
    """Remove a product and its schedule. Refused while a company has the product."""
    output = Output(as_json=as_json)
    with control_api(env) as api:
        api.get(f"products/{segment(product)}")
        question = f"Remove {product} and its schedule from the registry of {env}?"
        Confirmation(env, yes, yes_prod).ask(question)
        answer = api.delete(f"products/{segment(product)}")
    output.result(
        answer or {"product": product}, f"{product} is removed from the registry of {env}."
    )
    output.note("Remove it from products.yaml too, or the next apply adds it again.")


def _schedule(schedule: Json | None) -> str | None:
    if not schedule:
        return None
    paused = "" if schedule.get("enabled", True) else ", paused"
    return f"{schedule['expression']} {schedule.get('timezone', 'UTC')}{paused}"


def _count(found: list[Change]) -> str:
    return f"{len(found)} change{'s' if len(found) > 1 else ''}"


def _warnings(api: ControlApi, wanted: ProductFile) -> list[str]:
    """Return the hub's warnings; without the permission to apply, a note that it was not asked."""
    try:
        warnings: list[str] = registry.apply(api, wanted, dry_run=True)["warnings"]
    except Refused as refused:
        if refused.status != 403:
            raise
        return ["The hub did not check the file: this needs the permission to apply it."]
    return warnings


def _draw(output: Output, found: list[Change], warnings: list[str]) -> None:
    for warning in warnings:
        output.note(f"! {warning}")
    for change in found:
        sign, style = _SIGNS[change.action]
        output.out.print(Text(f"{sign} {change.product}", style=f"bold {style}"), soft_wrap=True)
        for name, (now, then) in change.fields.items():
            line = Text(f"    {name}: ")
            if now is not None:
                line.append_text(plain(now)).stylize("red", len(line) - len(plain(now)))
            if now is not None and then is not None:
                line.append(" → ")
            if then is not None:
                line.append_text(plain(then)).stylize("green", len(line) - len(plain(then)))
            output.out.print(line, soft_wrap=True)
