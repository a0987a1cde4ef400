"""`make measure`: one checkout's figures, or two checkouts' side by side, against the limits."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tools.measure import code
from tools.measure.references import dangling
from tools.measure.tree import Figure, modules

ROOT: Final = Path(__file__).resolve().parents[2]
CODE: Final = "code lines of functions/"
LIMITS: Final = {
    "most siblings in functions/": 15,
    "long functions without a reason": 0,
    "retry loops": 3,
    "Protocols": 60,
    "dangling references": 0,
    "cut docstrings": 0,
    "README, lines": 150,
    "README, words": 1500,
    "deciding modules without a test": 0,
}
type Figures = dict[str, Figure]


def measure(root: Path) -> Figures:
    """Return the figures of a checkout, in the order of the table."""
    hub, tools, tests = (modules(root, folder) for folder in ("functions", "tools", "tests"))
    readme = (root / "README.md").read_text()
    return {
        "most siblings in functions/": code.siblings(hub),
        "most siblings in tools/": code.siblings(tools),
        f"functions over {code.LONG} lines": code.long_functions(hub),
        "long functions without a reason": code.long_functions(hub, unexplained=True),
        "largest file, lines": code.largest_file(hub),
        "retry loops": code.retry_loops(hub),
        "Protocols": code.protocols(hub),
        "class names defined twice or more": code.repeated_classes(hub),
        "dangling references": dangling(root),
        "cut docstrings": code.cut_docstrings([*hub, *tools, *tests]),
        "loop variables called `one`": code.loops_over_one(hub),
        "README, lines": Figure(len(readme.splitlines())),
        "README, words": Figure(len(readme.split())),
        "state machine's source, lines": state_machine(root),
        "deciding modules without a test": code.untested(root, hub),
        "imports inside a feature, %": code.imports_inside(hub),
        CODE: code.code_lines(hub),
    }


def state_machine(root: Path) -> Figure:
    """Count what people write: the table if there is one, otherwise the JSON."""
    table = root / "tools" / "statemachine" / "saga.py"
    sources = [table] if table.exists() else sorted((root / "statemachines").glob("*.json"))
    lines = sum(len(path.read_text().splitlines()) for path in sources)
    return Figure(lines, ", ".join(path.name for path in sources))


def verdicts(now: Figures, before: Figures | None) -> dict[str, tuple[str, bool]]:
    """Return each limit as text, and whether the figure keeps it."""
    found = {
        label: (f"at most {limit:,}", now[label].value <= limit) for label, limit in LIMITS.items()
    }
    if before:
        fewer = now[CODE].value < before[CODE].value
        found[CODE] = ("fewer than before", fewer)
    return found


def table(now: Figures, before: Figures | None) -> Table:
    """Return the figures as a table; each limit has a ✓ or a ✗."""
    shown = Table("Figure", *(["Before"] if before else []), "Now", "Limit", "")
    shown.columns[0].no_wrap = True
    judged = verdicts(now, before)
    for label, figure in now.items():
        limit, kept = judged.get(label, ("", None))
        mark = "" if kept is None else "[green]✓[/]" if kept else "[red]✗[/]"
        columns = [_text(before[label])] if before else []
        shown.add_row(label, *columns, _text(figure), limit, mark)
    return shown


def _text(figure: Figure) -> str:
    return f"{figure.value:,}" + (f" ({figure.note})" if figure.note else "")


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; return 1 if `--check` is given and a limit is missed."""
    parser = argparse.ArgumentParser("python -m tools.measure", description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout (default: this one)")
    parser.add_argument("--against", type=Path, help="an earlier checkout to compare with")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--verbose", action="store_true", help="print the names behind the figures")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is missed")
    options = parser.parse_args(arguments)
    now = measure(options.tree)
    before = measure(options.against) if options.against else None
    if options.json:
        figures = {"now": now} | ({"before": before} if before else {})
        print(json.dumps(figures, default=asdict, indent=2))
    else:
        console = Console(soft_wrap=True)
        console.print(table(now, before))
        for label, figure in now.items() if options.verbose else ():
            if figure.names:
                console.print(f"\n[bold]{label}[/]")
                console.print("\n".join(figure.names), markup=False, highlight=False)
    missed = not all(kept for _, kept in verdicts(now, before).values())
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
