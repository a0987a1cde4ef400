"""The state of the reads of one company's product, and how each event changes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from codat_hub.codat.domain.data_types import has_modified_date
from codat_hub.product_events.domain.product_event import (
    FULL_LOAD,
    NOTHING_TO_READ,
    ProductEvent,
    Window,
)
from codat_hub.product_events.domain.read_event import ReadId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Set
    from datetime import datetime

    from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent, ReadKey

    # Key -> when the product or the connection was removed or added, as far as is known.
    Resets = Callable[[ReadKey], Iterable[datetime]]

SAME_READ_WITHIN: Final = timedelta(minutes=15)
# 43 data types on 20 connections. Of more, the keys read longest ago are dropped.
MAX_KEYS: Final = 860
# Bytes of the stored item, of which DynamoDB takes 400 KB.
MAX_SIZE: Final = 250_000  # keys and their reads
MAX_AHEAD: Final = 30_000  # reads that may come again: those of an hourly product over four days
_STORED_TIME: Final = 33  # bytes


class ProjectionOutcome(StrEnum):
    """The outcome of projecting one event."""

    PUBLISHED = "published"
    SUPERSEDED = "superseded"  # a newer result of every entry is known
    REPEATED = "repeated"  # the event is known, possibly under another webhook-id
    FOLDED = "folded"  # the event belongs to a known read
    OFF = "off"  # the company was without the product when the read ended


@dataclass(frozen=True, slots=True)
class KnownRead:
    """A read that at least one key still refers to, or that Codat dated ahead.

    at: the earliest time of its events
    seen: suffix -> Codat event id
    generated: the earliest generatedDate of its events, which may be after `at`
    """

    at: datetime
    fingerprint: str
    seen: Mapping[str, str]
    generated: datetime

    @property
    def read_id(self) -> ReadId:
        return ReadId(self.at, self.fingerprint)

    def with_event(self, event: ReadEvent) -> KnownRead:
        seen = {event.suffix: event.event_id, **self.seen}
        generated = min(self.generated, event.generated)
        return replace(self, at=min(self.at, event.at), seen=seen, generated=generated)

    def includes(self, event: ReadEvent) -> bool:
        """Compare contents, as Codat's events do not name their read (docs/codat.md, C45)."""
        if self.fingerprint != event.read_id.fingerprint:
            return False
        if self.generated == event.generated:
            return True
        return event.suffix not in self.seen and self.distance(event) <= SAME_READ_WITHIN

    def distance(self, event: ReadEvent) -> timedelta:
        return abs(self.generated - event.generated)

    def may_come_again(self, times: Iterable[datetime]) -> bool:
        """Return whether a repeat of the read could still pass for a newer one.

        A repeat of an event that Codat dated ahead ends at its later reception.

        times: when the reads ended that now count
        """
        return any(self.at <= time < self.generated for time in times)


@dataclass(frozen=True, slots=True)
class KeyState:
    """The state of one data type of one connection.

    status: of the newest read, `latest`
    watermark: the newest read that ended Complete
    full_load_at: the end of the newest full load; resets before it need no other full load
    """

    status: str
    latest: ReadId
    watermark: ReadId | None = None
    full_load_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadState:
    """The state of the reads of one company's product.

    reads: the reads that `keys` refer to, and those dated ahead that may be repeated, oldest first
    named: for plain reads, each standard product of the newest read -> when it first appeared
    overdue_from: from then on the product is overdue, unless it is read before; None: never
    """

    keys: Mapping[ReadKey, KeyState] = field(default_factory=dict)
    reads: tuple[KnownRead, ...] = ()
    last_read_at: datetime | None = None
    named: Mapping[str, datetime] = field(default_factory=dict)
    overdue_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Projection:
    """The state after an event, and the product event to publish, if any."""

    state: ReadState
    outcome: ProjectionOutcome
    published: ProductEvent | None = None


def project(
    state: ReadState,
    event: ReadEvent,
    resets: Resets = lambda _: (),
    standard_products: tuple[str, ...] = (),
    *,
    off: bool = False,
) -> Projection:
    """Return the new state and the event to publish; events may arrive in any order.

    resets: key -> when its connection or its product was removed or added
    standard_products: the standard products that a plain read is published for
    off: the company was without the product when the read ended
    """
    for read in state.reads:
        if event.event_id in read.seen.values():
            # A repeat that was received later may have been projected first.
            earlier = _bounded(_fold(state, read, event)) if event.at < read.at else state
            return Projection(earlier, ProjectionOutcome.REPEATED)
    known = [read for read in state.reads if read.includes(event)]
    if known:
        nearest = min(known, key=lambda read: (read.distance(event), read.generated))
        after = _bounded(_touch(_fold(state, nearest, event), event))
        return Projection(after, ProjectionOutcome.FOLDED)
    if off:
        return Projection(state, ProjectionOutcome.OFF)
    return _project_read(state, event, resets, standard_products)


def _project_read(
    state: ReadState, event: ReadEvent, resets: Resets, products: tuple[str, ...]
) -> Projection:
    keys, windows = dict(state.keys), []
    named = _named(state, event, products)
    answered: set[datetime] = set()
    for entry in event.entries:
        known = keys.get(entry.key)
        if not _counts(entry, event.read_id, known):
            continue
        reset = _reset(event, resets(entry.key), named)
        window = _window(entry, event, known)
        if window.modified_from and reset and _is_open(reset, known):
            window = FULL_LOAD
            answered.add(reset)
        windows.append((entry, window))
        keys[entry.key] = _advance(entry, event.read_id, known, window)
    seen = KnownRead(
        event.at, event.read_id.fingerprint, {event.suffix: event.event_id}, event.generated
    )
    known_reads = (*state.reads, seen)
    after = _bounded(_touch(replace(state, keys=keys, reads=known_reads, named=named), event))
    if not windows:
        return Projection(after, ProjectionOutcome.SUPERSEDED)
    published = ProductEvent(event, tuple(windows), frozenset(answered), products)
    return Projection(after, ProjectionOutcome.PUBLISHED, published)


def _named(state: ReadState, event: ReadEvent, products: tuple[str, ...]) -> Mapping[str, datetime]:
    """Return the products of the newest read, with the time of their first read.

    The team of a new product has no data yet, so it needs a full load.
    """
    if state.last_read_at is not None and event.at <= state.last_read_at:
        return state.named
    return {product: state.named.get(product, event.at) for product in products}


def _reset(
    event: ReadEvent, resets: Iterable[datetime], named: Mapping[str, datetime]
) -> datetime | None:
    """Return the time of the newest removal, addition or new product, up to this read."""
    times = [at for at in named.values() if at <= event.at]
    times += [at for at in resets if at < event.at]
    return max(times, default=None)


def _counts(entry: ReadEntry, read: ReadId, known: KeyState | None) -> bool:
    """Return whether no newer read supersedes the entry.

    Only a newer Complete supersedes a Complete; any newer read supersedes another status.
    """
    if known is None:
        return True
    if entry.complete:
        return known.watermark is None or read > known.watermark
    return read > known.latest


def _advance(entry: ReadEntry, read: ReadId, known: KeyState | None, window: Window) -> KeyState:
    if known is None:
        known = KeyState(entry.status, read)
    if entry.complete:
        full_load_at = read.at if window.full_load else known.full_load_at
        known = replace(known, watermark=read, full_load_at=full_load_at)
    # A late Complete does not replace the latest status, which is a newer error.
    return replace(known, status=entry.status, latest=read) if read >= known.latest else known


def _window(entry: ReadEntry, event: ReadEvent, known: KeyState | None) -> Window:
    if not entry.complete:
        return NOTHING_TO_READ
    watermark = known.watermark if known else None
    if (
        watermark is None
        or event.modified_from is None
        or event.initial
        or not has_modified_date(entry.key.data_type)
    ):
        return FULL_LOAD
    return Window(full_load=False, modified_from=min(event.modified_from, watermark.at))


def _is_open(reset: datetime, known: KeyState | None) -> bool:
    """Return whether a reset still needs a full load, even if it was learned late."""
    full_load_at = known.full_load_at if known else None
    return full_load_at is None or reset > full_load_at


def _fold(state: ReadState, read: KnownRead, event: ReadEvent) -> ReadState:
    """Add an event to a known read, and move the read to the time of its earliest event."""
    folded = read.with_event(event)
    moved: dict[ReadId | None, ReadId] = {read.read_id: folded.read_id}
    keys = {
        key: replace(
            known,
            latest=moved.get(known.latest, known.latest),
            watermark=moved.get(known.watermark, known.watermark),
            full_load_at=folded.at if known.full_load_at == read.at else known.full_load_at,
        )
        for key, known in state.keys.items()
    }
    reads = tuple(folded if known == read else known for known in state.reads)
    return replace(state, keys=keys, reads=reads)


def _touch(state: ReadState, event: ReadEvent) -> ReadState:
    last = event.at if state.last_read_at is None else max(state.last_read_at, event.at)
    return replace(state, last_read_at=last)


def _bounded(state: ReadState) -> ReadState:
    """Keep the keys that were read last and their reads, and the reads that may come again.

    A key that is dropped is a full load at its next read.
    """
    by_id = {read.read_id: read for read in state.reads}
    newest = sorted(state.keys, key=lambda key: (state.keys[key].latest, key), reverse=True)
    kept: dict[ReadKey, KeyState] = {}
    wanted: set[ReadId] = set()
    size = 0
    for key in newest[:MAX_KEYS]:
        known = state.keys[key]
        more = {mark for mark in (known.latest, known.watermark) if mark} - wanted
        size += _key_size(key, known) + sum(_read_size(by_id[mark]) for mark in more)
        if size > MAX_SIZE:
            break
        kept[key] = known
        wanted |= more
    reads = [read for read in state.reads if read.read_id in wanted] + _ahead(state, wanted)
    return replace(
        state,
        keys={key: kept[key] for key in sorted(kept)},
        reads=tuple(sorted(reads, key=lambda read: read.read_id)),
    )


def _ahead(state: ReadState, wanted: Set[ReadId]) -> list[KnownRead]:
    """Return the newest of the reads that no key refers to and that may come again."""
    times = {read_id.at for read_id in wanted}
    ahead = [
        read for read in state.reads if read.read_id not in wanted and read.may_come_again(times)
    ]
    newest = sorted(ahead, key=lambda read: read.read_id, reverse=True)
    sizes = accumulate(map(_read_size, newest))
    return [read for read, size in zip(newest, sizes, strict=True) if size <= MAX_AHEAD]


def _key_size(key: ReadKey, known: KeyState) -> int:
    return len(key.data_type) + len(key.connection_id) + len(known.status) + _STORED_TIME + 20


def _read_size(read: KnownRead) -> int:
    seen = sum(len(suffix) + len(event_id) + 6 for suffix, event_id in read.seen.items())
    return len(read.fingerprint) + seen + 2 * _STORED_TIME + 20
