"""`python -m tools.drills.refresh`: a month of refreshes with every kind of fault drawn in.

Clock, table, queue and Codat are simulated; domain, use cases and adapters are the real ones. Every
choice comes from the seed. The exit code is 1 if a slot was missed, if one ended without the
refresh that a later try would have brought, if more than 900 calls left in 60 seconds, or if a
waiting refresh was not called within seconds of the end of the turn before it.
"""

import argparse
import sys
import time
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.simulation.silence import silence

_MOST_CALLS = 900  # in 60 seconds
_SECONDS = 5.0  # from the end of a turn to the next call; Codat's event takes up to 3
_NEAR_THE_LIMIT = 1.08


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.drills.refresh", description=__doc__)
    parser.add_argument("--companies", type=int, default=300, help="(default 300)")
    parser.add_argument("--days", type=int, default=30, help="(default 30)")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn (default 1)")
    given = parser.parse_args()
    console = Console()
    faults: Any = import_module("tools.simulation.refresh_faults")
    with silence():
        wrong = [*_month(console, faults, given), *_wake_ups(console, faults, given.seed)]
        wrong += _backlog(console)
    console.print("\n".join(wrong) or "every slot that could be served was served")
    return bool(wrong)


def _month(console: Console, faults: Any, given: argparse.Namespace) -> list[str]:
    began = time.process_time()
    month = faults.a_month_of_faults(given.companies, given.days, given.seed)
    table = _table(f"{given.companies} companies, {given.days} days, seed {given.seed}")
    for name, value in {
        "slots": month.slots,
        **{f"ended {status}": count for status, count in sorted(month.ended.items())},
        **{f"odd company, {ended}": count for ended, count in sorted(month.odd.items())},
        "skipped, as the ticket was unreadable": month.unreadable,
        "missed": len(month.missed),
        "ended without a refresh that a later try would have brought": len(month.unserved),
        "accepted twice": len(month.twice),
        "dead letters, all of unreadable items": month.dead,
        "calls to Codat": month.calls,
        "most calls in 60 s": month.busiest,
        **{f"met {kind}": count for kind, count in sorted(month.met.items())},
        "seconds of processor time": f"{time.process_time() - began:.0f}",
    }.items():
        table.add_row(name, str(value))
    console.print(table)
    wrong = [f"missed: {slot}" for slot in month.missed]
    wrong += [f"not served: {slot} {ends}" for slot, ends in month.unserved]
    return wrong + [f"{month.busiest} calls in 60 s"] * (month.busiest > _MOST_CALLS)


def _wake_ups(console: Console, faults: Any, seed: int) -> list[str]:
    table = _table("the turn of a company's refresh ends; seconds until its next is accepted")
    found = faults.wake_ups(seed)
    for name, seconds in found.items():
        table.add_row(name, "never" if seconds is None else f"{seconds:.1f}")
    console.print(table)
    late = {name for name, seconds in found.items() if seconds is None or seconds > _SECONDS}
    return [f"woken late: {name}" for name in sorted(late)]


def _backlog(console: Console) -> list[str]:
    histories: Any = import_module("tools.simulation.refresh_histories")
    calls = histories.a_backlog(30_000)
    share = (calls[-1] - calls[0]).total_seconds() / (30_000 / 900 * 60)
    most = histories.busiest_minute(calls)
    table = _table("30,000 tickets, all due at once")
    table.add_row("time, where 1 is the fastest that 900 calls a minute allow", f"{share:.3f}")
    table.add_row("most calls in 60 s", str(most))
    console.print(table)
    slow = [f"30,000 tickets take {share:.3f} of the fastest"] * (share > _NEAR_THE_LIMIT)
    return slow + [f"{most} calls in 60 s"] * (most > _MOST_CALLS)


def _table(title: str) -> Table:
    table = Table(title=title)
    table.add_column("")
    table.add_column("", justify="right")
    return table


if __name__ == "__main__":
    sys.exit(main())
