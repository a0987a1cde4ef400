"""An entry of the ledger: one thing that a migration may change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What was there before a change, that the change was intended, and its outcome.

    before: the state before the run; written once, before any change
    intended: the epoch under which the change was decided; written before the call
    outcome: the result of the call; written after it
    detail: facts that belong to the outcome or to the undo
    undone: how the undo took the change back
    """

    before: Any = None
    intended: int | None = None
    outcome: str | None = None
    detail: Any = None
    undone: str | None = None

    @property
    def ours(self) -> bool:
        """Whether the undo has to handle it. An intent without an outcome counts as a change."""
        return self.intended is not None and self.undone is None

    def intend(self, epoch: int) -> LedgerEntry:
        """Return the entry with the intent to change, under this epoch.

        An intent after an undo begins anew: the last truth wins.
        """
        return replace(self, intended=epoch, outcome=None, undone=None)

    def came_to(self, outcome: str, detail: Any = None) -> LedgerEntry:
        """Return the entry with an outcome; `detail` None keeps the detail."""
        return replace(self, outcome=outcome, detail=self.detail if detail is None else detail)

    def undo(self, how: str, detail: Any = None) -> LedgerEntry:
        """Return the entry as undone; `detail` None keeps the detail."""
        return replace(self, undone=how, detail=self.detail if detail is None else detail)
