"""`python -m tools.mutation`: small changes of the code that no test of the module notices.

Only the tests that mirror a module run: those of its name.
Changes that no user could see stand in invisible.toml with a reason, and are counted apart.
Exit code 1 if a module's tests notice less than 90 % of the others.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tools.mutation.invisible import Reasons
from tools.mutation.modules import CODE, files_of, tests_of
from tools.mutation.mutant import Mutant, drawn
from tools.mutation.trials import NotGreen, Trials, Verdict

_LEAST: Final = 0.9


def main() -> None:
    given = _arguments().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160, soft_wrap=True, highlight=False, markup=False)
    reasons = Reasons.read()
    console.print(f"seed {given.seed}")
    table = Table("module", "mutants", "drawn", "noticed", "not visible", "survivors", "share")
    files, trials = files_of(given.module), Trials(given.jobs)
    poor = 0
    for file in files:
        try:
            found = list(trials(drawn(file, given.sample, given.seed), tests_of(file)))
        except NotGreen as problem:
            sys.exit(str(problem))
        poor += _row(console, table, file, found, reasons)
    console.print(table)
    for reason in reasons.unused if given.sample is None else ():
        console.print(f"matches nothing: {reason}")
    sys.exit(1 if poor else 0)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument(
        "--module", action="append", default=[], help="its name, or its path's end (default: all)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="mutants of each (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="draws the sample (default 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    return parser


def _row(
    console: Console, table: Table, file: Path, found: Sequence[Verdict], reasons: Reasons
) -> bool:
    survivors = [one.mutant for one in found if not one.noticed]
    unseen = [mutant for mutant in survivors if reasons.of(mutant)]
    visible = [mutant for mutant in survivors if mutant not in unseen]
    for mutant in visible:
        console.print(_line(mutant))
    noticed = len(found) - len(survivors)
    judged = noticed + len(visible)
    share = noticed / judged if judged else 1.0
    name = str(file.relative_to(CODE).with_suffix(""))
    total = found[0].mutant.of if found else 0
    counts = (total, len(found), noticed, len(unseen), len(visible))
    table.add_row(name, *map(str, counts), f"{share:.0%}")
    console.print(f"{name}: {noticed} of {judged} noticed")
    return share < _LEAST


def _line(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.line}\n  - {mutant.before}\n  + {mutant.after}"


if __name__ == "__main__":
    main()
