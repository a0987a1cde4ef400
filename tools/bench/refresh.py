"""`python -m tools.bench.refresh` plays a month of refreshes and measures calls and writes.

Clock, table, queue and Codat are simulated; domain, use cases and adapters are the real ones.
With `--stack 600` it plays one slot of 600 companies, end to end on the deployed local stack.
"""

import argparse
import sys
import time
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.simulation.silence import silence

_STACK_SECONDS = 900.0  # then the bench ends and lists the open tickets


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.refresh", description=__doc__)
    parser.add_argument("--companies", type=int, default=300, help="of the month (default 300)")
    parser.add_argument("--days", type=int, default=30, help="length of the month (default 30)")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn (default 1)")
    parser.add_argument("--stack", type=int, metavar="TICKETS", help="on the deployed stack")
    given = parser.parse_args()
    if given.stack:
        stack: Any = import_module("tools.bench.refresh_stack")
        sys.exit(stack.run(Console(), given.stack, _STACK_SECONDS))
    histories: Any = import_module("tools.simulation.refresh_histories")
    console = Console()
    with silence():
        _month(console, histories, given)
        _wakes(console, histories, given.seed)
        _pace(console, histories)
        _writes(console, histories)


def _month(console: Console, histories: Any, given: argparse.Namespace) -> None:
    began = time.process_time()
    month = histories.a_month(given.companies, given.days, given.seed)
    table = Table(title=f"{given.companies} companies, {given.days} days, two products")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in {
        "slots": month.slots,
        **{f"ended {status}": count for status, count in sorted(month.ended.items())},
        "missed": len(month.missed),
        "unexplained": len(month.unexplained),
        "accepted twice": len(month.twice),
        "dead letters": month.dead,
        "calls to Codat": month.calls,
        "calls per accepted refresh": f"{month.calls / month.accepted:.2f}",
        "most calls in 60 s": month.busiest,
        "woken by a read's end": month.world.woken,
        "table writes per slot": f"{month.world.table.writes / month.slots:.1f}",
        "seconds of processor time": f"{time.process_time() - began:.0f}",
    }.items():
        table.add_row(name, str(value))
    console.print(table)


def _wakes(console: Console, histories: Any, seed: int) -> None:
    table = Table(title="300 companies that others are reading, for minutes to hours")
    for heading in ("", "median wait after the lock, s", "calls", "accepted"):
        table.add_column(heading, justify="right")
    for name, wakes in (("wake-up", True), ("backoff alone", False)):
        measured = histories.busy_companies(300, seed, wakes=wakes)
        table.add_row(name, f"{measured.median:.1f}", str(measured.calls), str(measured.accepted))
    console.print(table)


def _pace(console: Console, histories: Any) -> None:
    calls = histories.a_backlog(30_000)
    took = (calls[-1] - calls[0]).total_seconds() / 60
    table = Table(title="30,000 tickets, all due at once")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("minutes from the first call to the last", f"{took:.1f}")
    table.add_row("the fastest that 900 calls a minute allow", f"{30_000 / 900:.1f}")
    table.add_row("most calls in 60 s", str(histories.busiest_minute(calls)))
    console.print(table)


def _writes(console: Console, histories: Any) -> None:
    cost = histories.cost_of_a_refresh()
    table = Table(title="One refresh, planned to completed, DynamoDB on demand")
    for heading in ("", "table", "index", "reads"):
        table.add_column(heading, justify="right")
    for step, (writes, index, reads) in cost.items():
        table.add_row(step, str(writes), str(index), str(reads))
    console.print(table)


if __name__ == "__main__":
    main()
