"""`make measure`: shows the figures of a checkout, or of two side by side, and their limits."""

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
CODE: Final = "code lines of functions/"  # but imports: smaller modules have more of them
type Figures = dict[str, Figure]


def measure(root: Path) -> Figures:
    """Return the figures of a checkout with their limits, in the order of the table."""
    hub, tools, tests = (modules(root, folder) for folder in ("functions", "tools", "tests"))
    readme = (root / "README.md").read_text()
    unexplained = code.long_functions(hub, unexplained=True)
    return {
        "most siblings in functions/": code.siblings(hub).at_most(15),
        "most siblings in tools/": code.siblings(tools),
        f"functions over {code.LONG} lines": code.long_functions(hub),
        "long functions without a reason": unexplained.at_most(0),
        "largest file, lines": code.largest_file(hub),
        "retry loops": code.retry_loops(hub).at_most(3),
        "Protocols": code.protocols(hub).at_most(60),
        "class names defined twice or more": code.repeated_classes(hub),
        "dangling references": dangling(root).at_most(0),
        "cut docstrings": code.cut_docstrings([*hub, *tools, *tests]).at_most(0),
        "loop variables called `one`": code.loops_over_one(hub),
        "README, lines": Figure(len(readme.splitlines())).at_most(150),
        "README, words": Figure(len(readme.split())).at_most(1500),
        "state machine's source, lines": state_machine(root),
        "deciding modules without a test": code.untested(root, hub).at_most(0),
        "imports inside a feature, %": code.imports_inside(hub),
        CODE: code.code_lines(hub, imports=False),
        "import lines of functions/": code.code_lines(hub, imports=True),
    }


def state_machine(root: Path) -> Figure:
    """Count the lines that people write: the table if it exists, otherwise the JSON."""
    table = root / "tools" / "statemachine" / "saga.py"
    sources = [table] if table.exists() else sorted((root / "statemachines").glob("*.json"))
    lines = sum(len(path.read_text().splitlines()) for path in sources)
    return Figure(lines, ", ".join(path.name for path in sources))


def table(now: Figures, before: Figures | None) -> Table:
    """Return the figures as a table with a ✓ or a ✗ for each limit."""
    shown = Table("Figure", *(["Before"] if before else []), "Now", "Limit", "")
    shown.columns[0].no_wrap = True
    for label, figure in now.items():
        limit = "" if figure.limit is None else f"at most {figure.limit:,}"
        mark = "" if not limit else "[green]✓[/]" if figure.kept else "[red]✗[/]"
        earlier = [str(before[label])] if before else []
        shown.add_row(label, *earlier, str(figure), limit, mark)
    return shown


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
        print(json.dumps({"now": now, "before": before}, default=asdict, indent=2))
    if before:
        now[CODE] = now[CODE].at_most(before[CODE].value - 1)
    if not options.json:
        console = Console(soft_wrap=True)
        console.print(table(now, before))
        for label, figure in now.items() if options.verbose else ():
            if figure.names:
                console.print(f"\n[bold]{label}[/]")
                console.print("\n".join(figure.names), markup=False, highlight=False)
    return int(options.check and not all(figure.kept for figure in now.values()))


if __name__ == "__main__":
    sys.exit(main())
