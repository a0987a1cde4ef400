"""A mutant: a module with one small change."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.pinned import installed
from tools.samconfig import ROOT

_PINS: Final = ROOT / "tools" / "mutation" / "requirements.txt"
_HOME: Final = ROOT / ".local" / "mutation"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`before` and `after` are the changed lines; `of` counts all mutants of the file."""

    file: str
    line: int
    before: str
    after: str
    source: str
    of: int


def drawn(file: Path, sample: int | None, seed: int) -> list[Mutant]:
    """Draw mutants in the environment that has mutmut. Raises NotInstalled."""
    python = installed(_PINS, _HOME) / "python"
    command = [str(python), "-m", "tools.mutation.mutants", str(file.relative_to(ROOT))]
    command += ["--seed", str(seed)] + (["--sample", str(sample)] if sample else [])
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return [Mutant(**json.loads(line)) for line in done.stdout.splitlines()]
