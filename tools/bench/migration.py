"""`python -m tools.bench.migration` runs whole migrations, each on a local stack of its own.

A run goes from the first dry run to product events under the new event types, with webhooks all
along, the replay of the gap and the rollback. The sandbox's own lists check it. Takes minutes.
"""

import argparse
import json
import sys
import textwrap
from importlib import import_module
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from codat_hub.rate_limiting.domain.pace import MIGRATION_PER_SECOND
from tools.bench.own_stack import own_stack
from tools.local.interruption import interrupt_once
from tools.local.receiver import receiving
from tools.local.stack import LocalStack, Options

MODES: Final = ("portal", "api")
_LONGEST_HISTORY: Final = 25_000  # events of a standard execution. (AWS: Step Functions quotas)
_BIGGEST_ITEM: Final = 400 * 1024  # bytes. (AWS: DynamoDB quotas)
_LONGEST_NOTE: Final = 200  # characters shown; --json has the whole note


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.migration", description=__doc__)
    parser.add_argument("--stack", type=int, default=1000, metavar="COMPANIES", help="default 1000")
    parser.add_argument("--mode", choices=MODES, help="both, one after the other, if left out")
    parser.add_argument(
        "--pace",
        type=int,
        choices=range(1, MIGRATION_PER_SECOND + 1),
        default=MIGRATION_PER_SECOND,
        metavar="CALLS",
        help=f"a second, MigrationCallsPerSecond (default {MIGRATION_PER_SECOND}, the most)",
    )
    parser.add_argument(
        "--faults",
        type=float,
        default=0,
        metavar="PERCENT",
        help="of the migration's calls of Codat fail: 429, 500, 503 and cuts in turn (default 0)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the faults' order (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args()
    interrupt_once()
    console = Console(stderr=given.json)
    if not console.is_terminal:
        console = Console(stderr=given.json, width=120)  # a log has no width of its own
    try:
        results = [_play(console, mode, given) for mode in ([given.mode] if given.mode else MODES)]
    except KeyboardInterrupt:
        console.print("Interrupted. Nothing is left running.")
        sys.exit(130)
    if given.json:
        print(
            json.dumps([result.as_json() | {"pace": given.pace} for result in results], default=str)
        )
    sys.exit(any(result.wrong for result in results))


def _play(console: Console, mode: str, given: argparse.Namespace) -> Any:
    """Run one mode on a stack of its own and show its result."""
    stack: Any = import_module(
        "tools.bench.migration_stack"
    )  # it can be imported only with the path above
    world: Any = import_module("tools.bench.migration_world")
    console.print(
        f"[bold]{mode} mode[/], {given.stack} companies, at {given.pace} calls a second, "
        f"{given.faults:g} % of them failing"
    )
    with receiving() as outside:
        # The bench reads Codat from the hub's address; it counts the hub's calls itself.
        sandbox = {"old-consumers": outside.url, "minute-limit": "0"}
        options = Options(companies=given.stack, sandbox=sandbox)
        with own_stack(console, options, world.OldWorld) as local:
            _set_pace(local, given.pace)
            scale = _wait_scale(local)
            faults = (given.faults / 100, given.seed) if given.faults else None
            bench = stack.Bench(
                local, outside, mode, lambda line: console.print(f"  {line}"), faults
            )
            result = bench.run()
    _show(console, result, given.pace, scale)
    return result


def _wait_scale(local: LocalStack) -> float:
    _, variables = _step_function(local)
    return float(variables["WAIT_SCALE"])


def _step_function(local: LocalStack) -> tuple[str, dict[str, str]]:
    """Return the step function's name and variables."""
    name = local.described["migration_logs"].rpartition("/")[2]
    function = local.emulator.client("lambda").get_function_configuration(FunctionName=name)
    return name, dict(function["Environment"]["Variables"])


def _set_pace(local: LocalStack, calls_a_second: int) -> None:
    """Deploy the step function again with another MigrationCallsPerSecond."""
    functions = local.emulator.client("lambda")
    name, variables = _step_function(local)
    variables["CODAT_CALLS_A_SECOND"] = str(calls_a_second)
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)


def _show(console: Console, result: Any, pace: int, scale: float) -> None:
    table = Table(title=f"{result.mode} mode, {result.companies} companies")
    for heading in ("", "step", "seconds", "calls", "a second"):
        table.add_column(heading, justify="left" if heading in {"", "step"} else "right")
    for phase in result.phases:
        rate = phase.calls / max(phase.seconds, 0.1)
        table.add_row(
            phase.run, phase.step, f"{phase.seconds:.0f}", str(phase.calls), f"{rate:.1f}"
        )
    made = len(result.calls)
    table.add_row("", "all", f"{result.seconds:.0f}", str(made), f"{made / result.seconds:.1f}")
    console.print(table)
    there = sum(phase.calls for phase in result.phases if phase.run == "there")
    facts = {
        "pace asked for, calls a second": pace,
        "most calls in 60 s": result.busiest,
        "the 14 hours for first reads": f"{14 * 3600 * scale:.0f} s, as all waits are scaled",
        "calls by the plan, made": f"{result.planned}, {there}",
        "faults asked for": result.faults or "none",
        "answers of 400 and above, 0: cut": dict(result.refused) or "none",
        **{f"events of {n}": f"{v} of {_LONGEST_HISTORY}" for n, v in result.history.items()},
        "biggest item of the ledger": f"{result.biggest_item / _BIGGEST_ITEM:.1%} of 400 KB",
        **result.counts,
    }
    for name, value in facts.items():
        console.print(f"  {name}: {value}", highlight=False)
    for note in result.notes:
        console.print(f"  noted: {textwrap.shorten(note, _LONGEST_NOTE)}", highlight=False)
    for check in result.checks:
        mark = "[green]✓[/]" if check.holds else "[red]✗[/]"
        console.print(f"  {mark} {check.what} {check.detail}", highlight=False)


if __name__ == "__main__":
    main()
