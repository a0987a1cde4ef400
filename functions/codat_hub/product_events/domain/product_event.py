"""ProductReadCompleted, version 1: the event that teams receive, as events/schemas/ specifies."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from codat_hub.codat.domain.data_types import is_unsuccessful

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent, ReadKey

VERSION: Final = 1
SOURCE: Final = "codat-hub"
DETAIL_TYPE: Final = "ProductReadCompleted"
# EventBridge takes 256 KB per entry, source and detail-type included; the rest is a reserve.
MAX_DETAIL: Final = 240 * 1024  # bytes
_OF_A_PART: Final = 16  # bytes more: a longer outcome, part numbers of several digits
type Outcome = Literal["successful", "unsuccessful"]
_KEYS: Final = uuid.UUID("5f0c9e5e-6a0b-4f0e-9a53-0f5f3f0e7c11")


class DataTypeDetail(TypedDict):
    """One data type of one connection, as it is published."""

    data_type: str
    connection_id: str
    status: str
    records_modified: bool
    full_load: bool
    modified_from: str | None


class Detail(TypedDict):
    """The event's `detail`, as it is published."""

    version: int
    event_key: str
    webhook_id: str
    company_id: str
    product: str
    standard_products: list[str]
    outcome: Outcome
    part: int
    parts: int
    occurred_at: str
    data_types: list[DataTypeDetail]


@dataclass(frozen=True, slots=True)
class Window:
    """The records that a team has to read: all, or those with `modifiedDate` >= `modified_from`.

    An entry that did not end Complete has neither, as there is nothing to read
    (docs/codat.md, C28, C46, C47, C50).
    """

    full_load: bool
    modified_from: datetime | None

    def covers(self, other: Window) -> bool:
        """Return whether this window contains all records of the other."""
        if self.full_load or self == other:
            return True
        if self.modified_from is None or other.modified_from is None:
            return False
        return self.modified_from <= other.modified_from


FULL_LOAD: Final = Window(full_load=True, modified_from=None)
NOTHING_TO_READ: Final = Window(full_load=False, modified_from=None)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a read: its number, from 1, of how many, and the outcome of the whole read."""

    number: int
    of: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ProductEvent:
    """A read as it is published.

    windows: the entries that are not superseded, each with its window
    resets: the times of the removals and additions for which this event has a full load
    standard_products: for a plain read, the standard products it is published for
    part: set if the event holds only some windows of a read that is too large for one event
    """

    read: ReadEvent
    windows: tuple[tuple[ReadEntry, Window], ...]
    resets: frozenset[datetime] = frozenset()
    standard_products: tuple[str, ...] = ()
    part: Part | None = None

    @property
    def event_key(self) -> str:
        """Return the key by which teams recognise a repeat of this event.

        It depends on the read, not on the message. A full load that answers a reset has another
        key than the smaller event before it, and each part of a large event has its own.
        """
        read = self.read
        facts = [read.company_id, read.product or ""]
        facts += [str(read.generated), read.read_id.fingerprint]
        facts += sorted(map(str, self.resets))
        if self.part is not None:
            facts += ["part", *(entry.key.text for entry, _ in self.windows)]
        return str(uuid.uuid5(_KEYS, "\n".join(facts)))

    @property
    def outcome(self) -> Outcome:
        """Return the outcome of the read, which is the same in each of its parts."""
        if self.part is not None:
            return self.part.outcome
        return "unsuccessful" if self.unsuccessful else "successful"

    @property
    def unsuccessful(self) -> tuple[ReadEntry, ...]:
        return tuple(entry for entry, _ in self.windows if is_unsuccessful(entry.status))

    def covers(self, other: ProductEvent) -> bool:
        """Tell whether this event says everything that the other says."""
        ours: dict[ReadKey, tuple[ReadEntry, Window]] = {
            entry.key: (entry, window) for entry, window in self.windows
        }
        return (
            self.event_key == other.event_key
            and set(self.standard_products) >= set(other.standard_products)
            and all(
                entry.key in ours
                and ours[entry.key][0].status == entry.status
                and ours[entry.key][1].covers(window)
                for entry, window in other.windows
            )
        )

    def parts(self, limit: int = MAX_DETAIL) -> list[ProductEvent]:
        """Return the event itself, or parts of it that are each below the limit, in bytes."""
        pieces = list(_pieces(self, limit - _OF_A_PART))
        if len(pieces) == 1:
            return [self]
        return [
            replace(piece, part=Part(number, len(pieces), self.outcome))
            for number, piece in enumerate(pieces, 1)
        ]

    def detail(self) -> Detail:
        part = self.part or Part(1, 1, self.outcome)
        return Detail(
            version=VERSION,
            event_key=self.event_key,
            webhook_id=self.read.webhook_id,
            company_id=self.read.company_id,
            product=self.read.published_as,
            standard_products=list(self.standard_products),
            outcome=part.outcome,
            part=part.number,
            parts=part.of,
            occurred_at=as_text(self.read.generated),
            data_types=list(_details(self.windows)),
        )


def _pieces(event: ProductEvent, limit: int) -> Iterator[ProductEvent]:
    windows = event.windows
    if len(windows) < 2 or len(json.dumps(event.detail())) <= limit:
        yield event
        return
    half = len(windows) // 2
    for some in (windows[:half], windows[half:]):
        yield from _pieces(replace(event, windows=some), limit)


def _details(windows: Iterable[tuple[ReadEntry, Window]]) -> Iterator[DataTypeDetail]:
    for entry, window in windows:
        start = window.modified_from
        yield DataTypeDetail(
            data_type=entry.key.data_type,
            connection_id=entry.key.connection_id,
            status=entry.status,
            records_modified=entry.records_modified,
            full_load=window.full_load,
            modified_from=None if start is None else as_text(start),
        )


def as_text(moment: datetime) -> str:
    """Return an aware time as `2026-07-01T23:00:00.000000Z`, a text that sorts by time."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
