"""What is known of the reads of one company's product; how one more event changes it."""

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

    # When the product or this connection was last removed, as far as is known.
    Resets = Callable[[str], datetime | None]

SAME_READ_WITHIN: Final = timedelta(minutes=15)
# 43 data types on 20 connections. Past it the longest silent are forgotten: their next read is a
# full load, and the item stays far below DynamoDB's 400 KB.
MAX_KEYS: Final = 860


class ProjectionOutcome(StrEnum):
    PUBLISHED = "published"
    SUPERSEDED = "superseded"  # newer news is known of every entry
    REPEATED = "repeated"  # the same Codat event under another webhook-id
    FOLDED = "folded"  # another event of a read that is known


@dataclass(frozen=True, slots=True)
class KnownRead:
    """A read that some key's latest status or watermark comes from.

    `at` is the earliest time of its events; `seen` maps each suffix to its Codat event id.
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

    def is_told_by(self, event: ReadEvent) -> bool:
        """Tell by content whether the event is of this read: it has no id (docs/codat.md, C45)."""
        if self.fingerprint != event.read_id.fingerprint:
            return False
        if self.at == event.at:
            return True
        return event.suffix not in self.seen and abs(self.at - event.at) <= SAME_READ_WITHIN


@dataclass(frozen=True, slots=True)
class KeyState:
    """`watermark`: the newest read that ended Complete. `covered`: the newest reset answered."""

    status: str
    latest: ReadId
    watermark: ReadId | None = None
    covered: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadState:
    """Of one (company, product). Immutable; reads are those that `keys` refer to, oldest first.

    `named`: of plain reads the standard products they are published for, each with the read that
    named it first.
    """

    keys: Mapping[ReadKey, KeyState] = field(default_factory=dict)
    reads: tuple[KnownRead, ...] = ()
    last_read_at: datetime | None = None
    named: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Projection:
    state: ReadState
    outcome: ProjectionOutcome
    published: ProductEvent | None = None


def project(
    state: ReadState,
    event: ReadEvent,
    resets: Resets = lambda _: None,
    standard_products: tuple[str, ...] = (),
) -> Projection:
    """Decide what an event changes and what teams are told. The order of arrival is no matter.

    resets: connection id -> when it, or the product, was last removed; None if never.
    standard_products: those that a plain read may have been for.
    """
    if any(event.event_id in read.seen.values() for read in state.reads):
        return Projection(state, ProjectionOutcome.REPEATED)
    known = [read for read in state.reads if read.is_told_by(event)]
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
    """Note which products the newest read names; the team of a new one has nothing so far."""
    if state.last_read_at is not None and event.at <= state.last_read_at:
        return state.named
    return {product: state.named.get(product, event.at) for product in products}


def _reset(
    event: ReadEvent, removed: datetime | None, named: Mapping[str, datetime]
) -> datetime | None:
    """Return the newest reason for a full load that this read can answer: none of after it."""
    times = [at for at in named.values() if at <= event.at]
    if removed is not None and removed < event.at:
        times.append(removed)
    return max(times, default=None)


def _counts(entry: ReadEntry, read: ReadId, known: KeyState | None) -> bool:
    """A Complete is superseded by a newer Complete only, an error by anything newer."""
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
        covered = max((one for one in (known.covered, reset) if one), default=None)
        known = replace(known, watermark=read, covered=covered)
    # a late Complete behind a newer error leaves the latest status as it is
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
    """Tell whether a removal still waits for a full load; one that was learned late does too."""
    covered = known.covered if known else None
    return covered is None or reset > covered


def _fold(state: ReadState, read: KnownRead, event: ReadEvent) -> ReadState:
    """Remember one more event of a known read; the read's time is that of its earliest."""
    folded = read.with_event(event)

    def moved(ref: ReadId | None) -> ReadId | None:
        return folded.read_id if ref == read.read_id else ref

    keys = {
        key: replace(one, latest=moved(one.latest) or one.latest, watermark=moved(one.watermark))
        for key, one in state.keys.items()
    }
    reads = tuple(folded if one == read else one for one in state.reads)
    return _bounded(_touch(replace(state, keys=keys, reads=reads), event))


def _touch(state: ReadState, event: ReadEvent) -> ReadState:
    last = event.at if state.last_read_at is None else max(state.last_read_at, event.at)
    return replace(state, last_read_at=last)


def _bounded(state: ReadState) -> ReadState:
    """Keep the keys read last, and the reads they come from: no other read can matter again."""
    newest = sorted(state.keys, key=lambda key: (state.keys[key].latest, key))[-MAX_KEYS:]
    keys = {key: state.keys[key] for key in sorted(newest)}
    wanted = {one.latest for one in keys.values()} | {one.watermark for one in keys.values()}
    reads = sorted(
        (read for read in state.reads if read.read_id in wanted), key=lambda read: read.read_id
    )
    return replace(state, keys=keys, reads=tuple(reads))
