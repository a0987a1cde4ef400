"""ProductReadCompleted, version 1: what teams receive. events/schemas/ has its JSON Schema."""

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
# EventBridge takes 256 KB an entry, source and detail-type included; the rest is left free.
MAX_DETAIL: Final = 240 * 1024  # bytes
_KEYS: Final = uuid.UUID("5f0c9e5e-6a0b-4f0e-9a53-0f5f3f0e7c11")


class DataTypeDetail(TypedDict):
    """One data type of one connection, on the wire."""

    data_type: str
    connection_id: str
    status: str
    records_modified: bool
    full_load: bool
    modified_from: str | None


class Detail(TypedDict):
    """The event's `detail`, on the wire."""

    version: int
    event_key: str
    webhook_id: str
    company_id: str
    product: str
    standard_products: list[str]
    outcome: Literal["successful", "unsuccessful"]
    occurred_at: str
    data_types: list[DataTypeDetail]


@dataclass(frozen=True, slots=True)
class Window:
    """What a consumer has to read: everything, or what has `modifiedDate` >= `modified_from`.

    Neither for an entry that did not end Complete: there is nothing to read.
    Sources: docs/codat.md, C28, C46, C47, C50.
    """

    full_load: bool
    modified_from: datetime | None

    def covers(self, other: Window) -> bool:
        if self.full_load or self == other:
            return True
        if self.modified_from is None or other.modified_from is None:
            return False
        return self.modified_from <= other.modified_from


FULL_LOAD: Final = Window(full_load=True, modified_from=None)
NOTHING_TO_READ: Final = Window(full_load=False, modified_from=None)


@dataclass(frozen=True, slots=True)
class ProductEvent:
    """`windows` holds those entries of the read that count, `resets` what full loads answer to."""

    read: ReadEvent
    windows: tuple[tuple[ReadEntry, Window], ...]
    resets: frozenset[datetime] = frozenset()
    standard_products: tuple[str, ...] = ()
    part: bool = False

    @property
    def event_key(self) -> str:
        """For dedupe. A function of the read alone, so that a repeat has the same.

        A reset that became known in between asks for more than the first publication did and
        must not be taken for its repeat; neither must one part of an event for another.
        """
        read = self.read
        facts = [read.company_id, read.product or "", *map(str, read.read_id)]
        facts += sorted(map(str, self.resets))
        if self.part:
            facts += ["part", *(str(entry.key) for entry, _ in self.windows)]
        return str(uuid.uuid5(_KEYS, "\n".join(facts)))

    @property
    def unsuccessful(self) -> tuple[ReadEntry, ...]:
        return tuple(entry for entry, _ in self.windows if is_unsuccessful(entry.status))

    def covers(self, other: ProductEvent) -> bool:
        """Tell whether who has acted on this one need not see the other."""
        ours: dict[ReadKey, tuple[ReadEntry, Window]] = {
            e.key: (e, window) for e, window in self.windows
        }
        named = set(self.standard_products) >= set(other.standard_products)
        return (
            self.event_key == other.event_key
            and named
            and all(
                entry.key in ours
                and ours[entry.key][0].status == entry.status
                and ours[entry.key][1].covers(window)
                for entry, window in other.windows
            )
        )

    def parts(self, limit: int = MAX_DETAIL) -> Iterator[ProductEvent]:
        """Yield the event itself, or as many events as it takes to keep each below the limit."""
        if len(self.windows) < 2 or len(json.dumps(self.detail())) <= limit:
            yield self
            return
        half = len(self.windows) // 2
        for windows in (self.windows[:half], self.windows[half:]):
            yield from replace(self, windows=windows, part=True).parts(limit)

    def detail(self) -> Detail:
        return Detail(
            version=VERSION,
            event_key=self.event_key,
            webhook_id=self.read.webhook_id,
            company_id=self.read.company_id,
            product=self.read.published_as,
            standard_products=list(self.standard_products),
            outcome="unsuccessful" if self.unsuccessful else "successful",
            occurred_at=as_text(self.read.at),
            data_types=list(_details(self.windows)),
        )


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
    """Spell an aware time as `2026-07-01T23:00:00.000000Z`: one spelling, which sorts."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
