"""`python -m tools.mutation`: small changes of the code that no test of the module notices.

Only the tests that mirror a module run: those of its name.
Changes that no user could see stand in invisible.toml with a reason, and are counted apart.
Exit code 1 if a module's tests notice less than 90 % of the others.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tools.mutation.invisible import Reasons
from tools.mutation.modules import CODE, files_of, tests_of
from tools.mutation.mutant import Mutant, drawn
from tools.mutation.trials import NotGreen, Trials

_LEAST: Final = 0.9


@dataclass
class Score:
    """What became of a module's mutants."""

    module: str
    all: int
    noticed: int = 0
    unseen: int = 0
    survivors: int = 0

    @property
    def share(self) -> float:
        """Noticed among those that a user could see."""
        judged = self.noticed + self.survivors
        return self.noticed / judged if judged else 1.0

    def row(self) -> Sequence[str]:
        """Return the module's row of the table."""
        drawn = self.noticed + self.unseen + self.survivors
        counts = (self.all, drawn, self.noticed, self.unseen, self.survivors)
        return (self.module, *map(str, counts), f"{self.share:.0%}")


def main() -> None:
    given = _arguments().parse_args()
    width = None if sys.stdout.isatty() else 160
    console = Console(width=width, soft_wrap=True, highlight=False, markup=False)
    console.print(f"seed {given.seed}")
    trials, reasons = Trials(given.jobs), Reasons.read()
    table = Table("module", "mutants", "drawn", "noticed", "not visible", "survivors", "share")
    scores = []
    for file in files_of(given.module):
        try:
            score = _scored(console, trials, file, drawn(file, given.sample, given.seed), reasons)
        except NotGreen as problem:
            sys.exit(str(problem))
        table.add_row(*score.row())
        console.print(f"{score.module}: {score.share:.0%} noticed")
        scores.append(score)
    console.print(table)
    if given.sample is None and not given.module:
        for reason in reasons.unused:
            console.print(f"matches nothing: {reason}")
    sys.exit(1 if any(score.share < _LEAST for score in scores) else 0)


def _scored(
    console: Console, trials: Trials, file: Path, mutants: Sequence[Mutant], reasons: Reasons
) -> Score:
    """Try the mutants that a user could see, and show each that no test notices."""
    seen = [mutant for mutant in mutants if not reasons.of(mutant)]
    name = str(file.relative_to(CODE).with_suffix(""))
    score = Score(name, mutants[0].of if mutants else 0, unseen=len(mutants) - len(seen))
    for verdict in trials(seen, tests_of(file)):
        if verdict.noticed:
            score.noticed += 1
        else:
            score.survivors += 1
            console.print(_shown(verdict.mutant))
    return score


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument(
        "--module", action="append", default=[], help="its name, or its path's end (default: all)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="mutants of each (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="draws the sample (default 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    return parser


def _shown(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.line}\n  - {mutant.before}\n  + {mutant.after}"


if __name__ == "__main__":
    main()
