"""One run of the planner: a product's slot, on its way through all companies that have it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

OWNED_FOR: Final = timedelta(minutes=2)  # renewed with every page; then the run counts as abandoned
WINDOW_PART: Final = 4  # the jitter window is at most this part of the time to the next slot


class Skipped(StrEnum):
    """Why a company that has the product got no ticket of the slot."""

    NOT_ALLOWED = "not_allowed"  # it is not assigned, or no active consent covers all of it
    NOT_LINKED = "not_linked"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class RefreshRun:
    """The next page begins at `shard`, behind the company `after`.

    opened, served, skipped: the companies so far; of these, `served` had a ticket that serves the
    slot, and `skipped_by` counts the skipped by reason
    requested_by: the ARN of the person who asked for it; None: the schedule did
    owned_until: no other planner works on it before that
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
    served: int = 0
    skipped_by: Mapping[str, int] = field(default_factory=dict)

    def free(self, now: datetime) -> bool:
        """Tell whether a planner may take it over: it is not done and no other works on it."""
        return not self.done and (self.owned_until is None or now >= self.owned_until)


def owned(run: RefreshRun, now: datetime) -> RefreshRun:
    """Return the run as this planner's own for OWNED_FOR."""
    return replace(run, owned_until=now + OWNED_FOR)


def jitter_window(longest: timedelta, slot: datetime, next_slot: datetime | None) -> timedelta:
    """Return over how long a slot's tickets are spread: a quarter of its cadence at most."""
    return longest if next_slot is None else min(longest, (next_slot - slot) / WINDOW_PART)


def jitter(company_id: str, slot: datetime, window: timedelta) -> timedelta:
    """Return how long after the slot a company's ticket is due, the same for every call."""
    part = crc32(f"{company_id} {slot.isoformat()}".encode()) / 2**32
    return window * part
