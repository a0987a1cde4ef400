"""Chunks of companies, the tally of each chunk, and the verdict on all chunks of a phase."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.migration.domain.plan import Survey

SIZE: Final = 25  # companies; at the slowest pace one invocation finishes a chunk
REASONS: Final = 10  # that one chunk keeps; its counts are complete


@dataclass(frozen=True, slots=True)
class ListedCompany:
    """A company as Codat shows it now. `linked`: it has a linked connection."""

    company_id: str
    linked: bool
    products: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """A company as the listing saw it. `products`: all that it had at that time."""

    company_id: str
    linked: bool
    products: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some companies of a listing. `name`: the listing and a number, such as `plan-000003`."""

    name: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """The outcome of one chunk in one phase, under one epoch.

    done, skipped, failed: companies, or products on companies
    open: neither done nor failed, such as a read that has not come yet
    reasons: texts for the operator
    unsettled: the companies that are open, to look at them again without the others
    """

    epoch: int
    finished: bool = False
    done: int = 0
    skipped: int = 0
    failed: int = 0
    open: int = 0
    reasons: tuple[str, ...] = ()
    survey: Survey | None = None
    unsettled: tuple[str, ...] = ()

    @property
    def seen(self) -> int:
        """How many companies were counted, in a phase that counts each once."""
        return self.done + self.skipped + self.failed + self.open

    def did(self, reason: str | None = None) -> Tally:
        """Count one as done."""
        reasons = self.reasons if reason is None else self._first(reason)
        return replace(self, done=self.done + 1, reasons=reasons)

    def skip(self, reason: str | None = None) -> Tally:
        """Count one as skipped."""
        reasons = self.reasons if reason is None else (*self.reasons, reason)
        return replace(self, skipped=self.skipped + 1, reasons=reasons[:REASONS])

    def fail(self, reason: str) -> Tally:
        """Count one as failed."""
        return replace(self, failed=self.failed + 1, reasons=self._first(reason))

    def leave_open(self, reason: str, company_id: str | None = None) -> Tally:
        """Count one as open. `company_id`: the company to look at again."""
        unsettled = self.unsettled if company_id is None else (*self.unsettled, company_id)
        return replace(self, open=self.open + 1, reasons=self._first(reason), unsettled=unsettled)

    def reopened(self, company_id: str) -> Tally:
        """Return the tally without a company that was left open; it begins its reason."""
        if company_id not in self.unsettled:
            return self
        return replace(
            self,
            open=self.open - 1,
            unsettled=tuple(known for known in self.unsettled if known != company_id),
            reasons=tuple(text for text in self.reasons if not text.startswith(f"{company_id}:")),
        )

    def _first(self, reason: str) -> tuple[str, ...]:
        """Put a reason that a person has to look into before the reasons of skipped ones."""
        return (reason, *self.reasons)[:REASONS]


@dataclass(frozen=True, slots=True)
class PhaseVerdict:
    """The sum of all chunks of one phase. `missing`: chunks that are not finished."""

    chunks: int
    missing: int
    done: int
    skipped: int
    failed: int
    open: int
    reasons: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Return the counts that a report shows."""
        return {
            "chunks": self.chunks - self.missing,
            "of_chunks": self.chunks,
            "done": self.done,
            "skipped": self.skipped,
            "failed": self.failed,
            "open": self.open,
        }

    def bad(self, tolerated: int) -> bool:
        """Tell whether a chunk is missing, or more failed than is tolerated."""
        return self.missing > 0 or self.failed > tolerated

    def __str__(self) -> str:
        text = f"{self.failed} of {self.done + self.skipped + self.failed + self.open} failed"
        if self.missing:
            text += f", {self.missing} of {self.chunks} chunks were not finished"
        return f"{text}: {'; '.join(self.reasons)}" if self.reasons else text


def judge(tallies: Iterable[Tally], chunks: int, epoch: int) -> PhaseVerdict:
    """Add up the finished tallies of this epoch. A chunk without such a tally is missing."""
    of_epoch = [tally for tally in tallies if tally.epoch == epoch]
    finished = [tally for tally in of_epoch if tally.finished]
    return PhaseVerdict(
        chunks=chunks,
        missing=max(0, chunks - len(finished)),
        done=sum(tally.done for tally in finished),
        skipped=sum(tally.skipped for tally in finished),
        failed=sum(tally.failed for tally in finished),
        open=sum(tally.open for tally in finished),
        reasons=_worst_reasons(of_epoch),
    )


def _worst_reasons(tallies: Iterable[Tally]) -> tuple[str, ...]:
    """Return the first few reasons: the worst chunks first, and one reason of each in turn."""
    worst = sorted(tallies, key=lambda tally: (tally.finished, not tally.failed, not tally.open))
    turns = zip_longest(*(tally.reasons for tally in worst))
    reasons = (reason for turn in turns for reason in turn if reason is not None)
    return tuple(dict.fromkeys(reasons))[:REASONS]


def chunks_of(listing: str, members: Iterable[Member], size: int = SIZE) -> list[Chunk]:
    """Cut a listing into chunks. A company that was listed twice counts once, as listed last."""
    unique = list({member.company_id: member for member in members}.values())
    return [
        Chunk(f"{listing}-{number:06}", tuple(unique[begin : begin + size]))
        for number, begin in enumerate(range(0, len(unique), size))
    ]
