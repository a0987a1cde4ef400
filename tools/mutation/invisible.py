"""Reads invisible.toml: changes that no user could see, each with its reason."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tools.mutation.modules import CODE
from tools.mutation.mutant import Mutant
from tools.samconfig import ROOT

_LIST: Final = ROOT / "tools" / "mutation" / "invisible.toml"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why `before`, changed to `after` (or in any way, if that is not given), shows nowhere."""

    module: str
    before: str
    why: str
    after: str | None = None

    def fits(self, mutant: Mutant) -> bool:
        """Compare the text, not the line's number, so that an edit above it changes nothing."""
        same = mutant.before == self.before and self.after in {None, mutant.after}
        return same and ROOT / mutant.file == CODE / f"{self.module}.py"


@dataclass(frozen=True, slots=True)
class Reasons:
    """All reasons; `unused` knows which of them no mutant needed."""

    reasons: tuple[Reason, ...]
    used: set[Reason]

    @classmethod
    def read(cls, path: Path = _LIST) -> Self:
        listed = tomllib.loads(path.read_text())
        found = (Reason(module, **each) for module, some in listed.items() for each in some)
        return cls(tuple(found), set())

    def of(self, mutant: Mutant) -> str | None:
        """Return why nobody could see this mutant, if that is known."""
        for reason in self.reasons:
            if reason.fits(mutant):
                self.used.add(reason)
                return reason.why
        return None

    @property
    def unused(self) -> Iterator[str]:
        """Name reasons that no mutant needed: the code or the tests have changed."""
        for reason in self.reasons:
            if reason not in self.used:
                yield f"{reason.module}: {reason.before}"
