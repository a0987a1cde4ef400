"""Companies are worked on in chunks; what became of each is judged when all have been."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.migration.domain.plan import Survey

SIZE: Final = 25  # companies: a chunk takes well below one invocation at the slowest pace
REASONS: Final = 10  # kept of one chunk; the counts are whole


@dataclass(frozen=True, slots=True)
class Found:
    """A company as Codat shows it now. `linked`: it has a connection that syncs."""

    company_id: str
    linked: bool
    products: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """A company as the listing found it. `products`: all that it had then."""

    company_id: str
    linked: bool
    products: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """`name` is unique in the migration: its listing and its place there, `snapshot-000003`."""

    name: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one chunk in one phase, under one epoch.

    open: neither done nor failed, such as a read that is still awaited; reasons: for the operator
    """

    epoch: int
    finished: bool = False
    done: int = 0
    skipped: int = 0
    failed: int = 0
    open: int = 0
    reasons: tuple[str, ...] = ()
    survey: Survey | None = None

    def did(self, reason: str | None = None) -> Tally:
        reasons = self.reasons if reason is None else self._first(reason)
        return replace(self, done=self.done + 1, reasons=reasons)

    def skip(self, reason: str | None = None) -> Tally:
        reasons = self.reasons if reason is None else (*self.reasons, reason)
        return replace(self, skipped=self.skipped + 1, reasons=reasons[:REASONS])

    def fail(self, reason: str) -> Tally:
        return replace(self, failed=self.failed + 1, reasons=self._first(reason))

    def leave_open(self, reason: str) -> Tally:
        return replace(self, open=self.open + 1, reasons=self._first(reason))

    def _first(self, reason: str) -> tuple[str, ...]:
        """What somebody has to look into goes before what was skipped."""
        return (reason, *self.reasons)[:REASONS]


@dataclass(frozen=True, slots=True)
class Verdict:
    """All chunks of one phase taken together."""

    chunks: int
    missing: int
    done: int
    skipped: int
    failed: int
    open: int
    reasons: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Return what people are shown of it."""
        return {
            "chunks": self.chunks - self.missing,
            "of_chunks": self.chunks,
            "done": self.done,
            "skipped": self.skipped,
            "failed": self.failed,
            "open": self.open,
        }

    def bad(self, tolerated: int) -> bool:
        return self.missing > 0 or self.failed > tolerated

    def __str__(self) -> str:
        said = f"{self.failed} of {self.done + self.skipped + self.failed + self.open} failed"
        if self.missing:
            said += f", {self.missing} of {self.chunks} chunks were not finished"
        return f"{said}: {'; '.join(self.reasons)}" if self.reasons else said


def judge(tallies: Iterable[Tally], chunks: int, epoch: int) -> Verdict:
    """Take together what counts: finished under this epoch. What is not there was not done."""
    said = list(tallies)
    counted = [one for one in said if one.finished and one.epoch == epoch]
    # the worst chunks first, and of each chunk one reason in turn: only a few can be told
    worst = sorted(
        (one for one in said if one.epoch == epoch),
        key=lambda one: (one.finished, not one.failed, not one.open),
    )
    turns = zip_longest(*(one.reasons for one in worst))
    reasons = (reason for turn in turns for reason in turn if reason is not None)
    return Verdict(
        chunks=chunks,
        missing=max(0, chunks - len(counted)),
        done=sum(one.done for one in counted),
        skipped=sum(one.skipped for one in counted),
        failed=sum(one.failed for one in counted),
        open=sum(one.open for one in counted),
        reasons=tuple(dict.fromkeys(reasons))[:REASONS],
    )


def chunks_of(listing: str, members: Iterable[Member], size: int = SIZE) -> list[Chunk]:
    """Cut a listing; a company that was listed twice (pages shift) counts once."""
    unique = list({one.company_id: one for one in members}.values())
    return [
        Chunk(f"{listing}-{number:06}", tuple(unique[begin : begin + size]))
        for number, begin in enumerate(range(0, len(unique), size))
    ]
