"""The state of the reads of one company's product, and how each event changes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
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
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent, ReadKey

    # Connection id -> when the product or the connection was last removed, as far as is known.
    Resets = Callable[[str], datetime | None]

SAME_READ_WITHIN: Final = timedelta(minutes=15)
# 43 data types on 20 connections keep the item far below DynamoDB's 400 KB. Of more, the keys read
# longest ago are forgotten: their next read is a full load.
MAX_KEYS: Final = 860


class ProjectionOutcome(StrEnum):
    """The outcome of projecting one event."""

    PUBLISHED = "published"
    SUPERSEDED = "superseded"  # a newer result of every entry is known
    REPEATED = "repeated"  # the event is known, possibly under another webhook-id
    FOLDED = "folded"  # the event belongs to a known read


@dataclass(frozen=True, slots=True)
class KnownRead:
    """A read that at least one key still refers to, as its latest or its last complete read.

    at: the earliest time of its events
    seen: suffix -> Codat event id
    """

    at: datetime
    fingerprint: str
    seen: Mapping[str, str]

    @property
    def read_id(self) -> ReadId:
        return ReadId(self.at, self.fingerprint)

    def with_event(self, event: ReadEvent) -> KnownRead:
        seen = {event.suffix: event.event_id, **self.seen}
        return replace(self, at=min(self.at, event.at), seen=seen)

    def includes(self, event: ReadEvent) -> bool:
        """Compare contents, as Codat's events do not name their read (docs/codat.md, C45)."""
        if self.fingerprint != event.read_id.fingerprint:
            return False
        if self.at == event.at:
            return True
        return event.suffix not in self.seen and abs(self.at - event.at) <= SAME_READ_WITHIN


@dataclass(frozen=True, slots=True)
class KeyState:
    """The state of one data type of one connection.

    status: of the newest read, `latest`
    watermark: the newest read that ended Complete
    covered: the newest removal or new product after which everything was read again
    """

    status: str
    latest: ReadId
    watermark: ReadId | None = None
    covered: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadState:
    """The state of the reads of one company's product.

    reads: the reads that `keys` refer to, oldest first
    named: for plain reads, each standard product of the newest read -> when it first appeared
    """

    keys: Mapping[ReadKey, KeyState] = field(default_factory=dict)
    reads: tuple[KnownRead, ...] = ()
    last_read_at: datetime | None = None
    named: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Projection:
    """The state after an event, and the product event to publish, if any."""

    state: ReadState
    outcome: ProjectionOutcome
    published: ProductEvent | None = None


def project(
    state: ReadState,
    event: ReadEvent,
    resets: Resets = lambda _: None,
    standard_products: tuple[str, ...] = (),
) -> Projection:
    """Return the new state and the event to publish; events may arrive in any order.

    resets: connection id -> when it or the product was last removed; None: never
    standard_products: the standard products that a plain read is published for
    """
    if any(event.event_id in read.seen.values() for read in state.reads):
        return Projection(state, ProjectionOutcome.REPEATED)
    known = [read for read in state.reads if read.includes(event)]
    if known:
        nearest = min(known, key=lambda read: (abs(read.at - event.at), read.at))
        return Projection(_fold(state, nearest, event), ProjectionOutcome.FOLDED)
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
        reset = _reset(event, resets(entry.key.connection_id), named)
        window = _window(entry, event, known)
        if window.modified_from and reset and _is_open(reset, known):
            window = FULL_LOAD
            answered.add(reset)
        windows.append((entry, window))
        keys[entry.key] = _advance(entry, event.read_id, known, reset)
    seen = KnownRead(event.at, event.read_id.fingerprint, {event.suffix: event.event_id})
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
    event: ReadEvent, removed: datetime | None, named: Mapping[str, datetime]
) -> datetime | None:
    """Return the time of the newest removal or new product, up to this read.

    None: no full load is needed.
    """
    times = [at for at in named.values() if at <= event.at]
    if removed is not None and removed < event.at:
        times.append(removed)
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


def _advance(
    entry: ReadEntry, read: ReadId, known: KeyState | None, reset: datetime | None
) -> KeyState:
    if known is None:
        known = KeyState(entry.status, read)
    if entry.complete:
        covered = max((time for time in (known.covered, reset) if time), default=None)
        known = replace(known, watermark=read, covered=covered)
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
    covered = known.covered if known else None
    return covered is None or reset > covered


def _fold(state: ReadState, read: KnownRead, event: ReadEvent) -> ReadState:
    """Add an event to a known read, and move the read to the time of its earliest event."""
    folded = read.with_event(event)
    moved: dict[ReadId | None, ReadId] = {read.read_id: folded.read_id}
    keys = {
        key: replace(
            known,
            latest=moved.get(known.latest, known.latest),
            watermark=moved.get(known.watermark, known.watermark),
        )
        for key, known in state.keys.items()
    }
    reads = tuple(folded if known == read else known for known in state.reads)
    return _bounded(_touch(replace(state, keys=keys, reads=reads), event))


def _touch(state: ReadState, event: ReadEvent) -> ReadState:
    last = event.at if state.last_read_at is None else max(state.last_read_at, event.at)
    return replace(state, last_read_at=last)


def _bounded(state: ReadState) -> ReadState:
    """Keep the keys that were read last and the reads they refer to."""
    newest = sorted(state.keys, key=lambda key: (state.keys[key].latest, key))[-MAX_KEYS:]
    keys = {key: state.keys[key] for key in sorted(newest)}
    wanted = {read_id for known in keys.values() for read_id in (known.latest, known.watermark)}
    reads = sorted(
        (read for read in state.reads if read.read_id in wanted), key=lambda read: read.read_id
    )
    return replace(state, keys=keys, reads=tuple(reads))
