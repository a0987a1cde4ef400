"""A line of the ledger: what was, that it was to change, what came of it, how it was undone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a migration may change.

    before: what was found, written once and first; never looked up again
    intended: the epoch under which the change was decided; written before the call
    outcome: what came of it; written after the call
    undone: how it was taken back
    """

    before: Any = None
    intended: int | None = None
    outcome: str | None = None
    detail: Any = None
    undone: str | None = None

    @property
    def ours(self) -> bool:
        """Tell whether an undo has to look at it: an intent without an outcome counts as ours."""
        return self.intended is not None and self.undone is None

    def intend(self, epoch: int) -> Entry:
        return replace(self, intended=epoch)

    def came_to(self, outcome: str, detail: Any = None) -> Entry:
        return replace(self, outcome=outcome, detail=self.detail if detail is None else detail)

    def undo(self, how: str, detail: Any = None) -> Entry:
        return replace(self, undone=how, detail=self.detail if detail is None else detail)
