"""`python -m tools.drills.migration`: a fault on every call of a migration, there and back.

Each row is a run of the real state machine, step function and client against the sandbox, over
HTTP, on a virtual clock. Every choice comes from the seed. Exit code 1 if a row breaks a rule.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tools.drills.migration.drill import Outcome, run_row, seen
from tools.drills.migration.rows import Row, all_rows, drawn
from tools.drills.migration.rules import Rule

_ROWS: Final = 1000
_LINE_EVERY: Final = 100  # rows
_AT_ONCE: Final = 8  # rows that a process takes from the list at a time


def main() -> None:
    given = _arguments().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    rows = drawn(all_rows(seen(), given.seed), given.rows, given.seed)
    rows = [row for row in rows if all(word in f" {row.name} " for word in given.only)]
    if not rows:
        sys.exit("No row has all these words in its name.")
    console.print(f"{len(rows)} rows, seed {given.seed}")
    began = time.monotonic()
    outcomes = list(_shown(console, _run(rows, given.jobs), len(rows)))
    seconds = time.monotonic() - began
    if given.list:
        console.print(_listed(outcomes))
    if given.json:
        given.json.write_text(json.dumps([_as_json(one) for one in outcomes], indent=1))
    console.print(_ends(outcomes))
    broken = [one for one in outcomes if one.breaches]
    if broken:
        console.print(_kinds(broken))
        console.print(_rules(broken))
    console.print(
        f"{len(rows)} rows in {seconds:.0f} s ({seconds / len(rows):.2f} s a row), seed "
        f"{given.seed}: {len(broken)} break a rule, {len(rows) - len(broken)} do not"
    )
    sys.exit(1 if broken else 0)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.drills.migration", description=__doc__)
    parser.add_argument("--rows", type=int, default=_ROWS, help="0: all (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws the rows (default 1)")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="rows with all words in their name"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--list", action="store_true", help="print every row")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row to a file")
    return parser


def _run(rows: Sequence[Row], jobs: int) -> Iterator[Outcome]:
    if jobs == 1 or len(rows) < _AT_ONCE:
        yield from map(run_row, rows)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run_row, rows, chunksize=_AT_ONCE)


def _shown(console: Console, outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """Show how far the rows are: a bar, or in a log a line now and then."""
    if console.is_terminal:
        yield from track(outcomes, "rows", total, console=console)
        return
    broken = 0
    for number, one in enumerate(outcomes, 1):
        broken += bool(one.breaches)
        if number % _LINE_EVERY == 0:
            console.print(f"{number} of {total} rows, {broken} break a rule")
        yield one


def _listed(outcomes: Iterable[Outcome]) -> Table:
    table = Table("row", "faults", "hours", "ends", "left", "breaks")
    for one in outcomes:
        table.add_row(
            one.row.name,
            str(one.struck),
            f"{one.hours:.1f}",
            " → ".join(one.ends),
            str(len(one.left)),
            ", ".join(dict.fromkeys(breach.rule.name for breach in one.breaches)),
        )
    return table


def _ends(outcomes: Iterable[Outcome]) -> Table:
    """How the runs ended, by direction and by how long the fault lasted."""
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for one in outcomes:
        row = one.row
        key = (row.call.direction.name.lower(), str(row.kind.nature), str(row.lasting))
        counts[key][one.ends[0] if one.ends else "none"] += 1
    statuses = sorted({status for found in counts.values() for status in found})
    table = Table("direction", "fault", "lasts", *statuses)
    for key, found in sorted(counts.items()):
        table.add_row(*key, *(str(found[status] or "") for status in statuses))
    return table


def _kinds(broken: Iterable[Outcome]) -> Table:
    """Rows that break the same rule at the same call, once."""
    groups: dict[tuple[Rule, str], list[tuple[Outcome, str]]] = defaultdict(list)
    for one in broken:
        for breach in one.breaches:
            call = one.row.call
            where = f"{call.direction.name.lower()} {call.step} {call}"
            groups[breach.rule, where].append((one, breach.said))
    table = Table("rule", "where", "rows", "faults", "for example")
    table.columns[-1].max_width = table.columns[-2].max_width = 60
    order = list(Rule)
    for (rule, where), found in sorted(groups.items(), key=lambda it: (order.index(it[0][0]), it)):
        faults = sorted({one.row.kind.name for one, _ in found})
        rows = len({one.row.name for one, _ in found})
        table.add_row(
            rule.name,
            where,
            str(rows),
            ", ".join(faults),
            f"{found[0][0].row.way}: {found[0][1][:120]}",
        )
    return table


def _rules(broken: Iterable[Outcome]) -> Table:
    """How many rows break each rule."""
    counts = Counter(rule for one in broken for rule in {breach.rule for breach in one.breaches})
    table = Table("rule", "what must hold", "rows that break it")
    for rule in Rule:
        table.add_row(rule.name, rule, str(counts[rule] or ""))
    return table


def _as_json(one: Outcome) -> dict[str, object]:
    return {
        "row": one.row.name,
        "company": one.row.company,
        "tolerated": one.row.tolerated,
        "ends": one.ends,
        "faults": one.struck,
        "hours": one.hours,
        "left": one.left,
        "told": one.told,
        "breaches": [{"rule": breach.rule.name, "said": breach.said} for breach in one.breaches],
    }


if __name__ == "__main__":
    main()
