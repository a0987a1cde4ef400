"""One run of the planner: a product's slot, on its way through all companies that have it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from datetime import datetime

OWNED_FOR: Final = timedelta(minutes=2)  # renewed with every page; then the run counts as abandoned


@dataclass(frozen=True, slots=True)
class Run:
    """`shard` and `after`: where the next page begins. `opened`: tickets so far.

    requested_by: the ARN of the person who asked; None: the schedule did
    owned_until: nobody else works on it before that
    """

    product: str
    slot: datetime
    shard: int = 0
    after: str | None = None
    opened: int = 0
    skipped: int = 0
    done: bool = False
    owned_until: datetime | None = None
    requested_by: str | None = None

    def free(self, now: datetime) -> bool:
        return not self.done and (self.owned_until is None or now >= self.owned_until)


def owned(run: Run, now: datetime) -> Run:
    return replace(run, owned_until=now + OWNED_FOR)


def jitter(company_id: str, slot: datetime, window: timedelta) -> timedelta:
    """Where in the window after the slot a company's ticket is due; the same whenever asked."""
    part = crc32(f"{company_id} {slot.isoformat()}".encode()) / 2**32
    return window * part
