"""A replay: the stored webhooks to project again, and its progress."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.codat_time import CodatTime
from codat_hub.webhooks.webhook_event import MAX_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

MAX_WEBHOOK_IDS: Final = 1000
_RANGE: Final = {"received_from", "received_to", "company_id", "product"}


class MalformedSelection(Exception):
    """The selection of a replay is malformed; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class WebhookIds:
    """Webhooks by id, each once, in this order."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parked:
    """All parked webhooks."""


@dataclass(frozen=True, slots=True)
class ReceivedBetween:
    """Webhooks received from `since` on and before `until`, such as those the stream gave up.

    company_id, product: only webhooks about them; a plain read is about product `standard`
    """

    since: datetime
    until: datetime
    company_id: str | None = None
    product: str | None = None


type Selection = WebhookIds | Parked | ReceivedBetween


def parse_selection(raw: Mapping[str, Any]) -> Selection:
    """Parse a selection as the API takes it. Raises MalformedSelection.

    It is `{webhook_ids}`, `{parked: true}` or
    `{received_from, received_to, company_id?, product?}`.
    """
    names = set(raw)
    if names == {"webhook_ids"}:
        return WebhookIds(_webhook_ids(raw["webhook_ids"]))
    if names == {"parked"} and raw["parked"] is True:
        return Parked()
    if {"received_from", "received_to"} <= names <= _RANGE:
        return _received(raw)
    raise MalformedSelection(
        "expected webhook_ids, or parked: true, or received_from and received_to"
        " (optionally with company_id and product)"
    )


def _webhook_ids(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not 0 < len(raw) <= MAX_WEBHOOK_IDS:
        raise MalformedSelection(f"webhook_ids is not a list of 1 to {MAX_WEBHOOK_IDS}")
    ids = dict.fromkeys(_text("webhook_ids", webhook_id) for webhook_id in raw)
    if not all(webhook_id.isascii() for webhook_id in ids):
        raise MalformedSelection("webhook_ids: an entry is not a webhook-id")
    return tuple(ids)


def _received(raw: Mapping[str, Any]) -> ReceivedBetween:
    since, until = (_moment(name, raw[name]) for name in ("received_from", "received_to"))
    if since >= until:
        raise MalformedSelection("received_from is not before received_to")
    company_id, product = (
        None if raw.get(name) is None else _text(name, raw[name])
        for name in ("company_id", "product")
    )
    return ReceivedBetween(since, until, company_id, product)


def _moment(name: str, raw: Any) -> datetime:
    moment = CodatTime(raw).moment if isinstance(raw, str) else None
    if moment is None:
        raise MalformedSelection(f"{name} is not an ISO 8601 time")
    return moment


def _text(name: str, raw: Any) -> str:
    if not isinstance(raw, str) or not 0 < len(raw) <= MAX_NAME or not raw.isprintable():
        raise MalformedSelection(f"{name}: expected a text of 1 to {MAX_NAME} characters")
    return raw


class ReplayStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"  # `error` names the fault of the hub's code


@dataclass(frozen=True, slots=True)
class Replay:
    """The progress of a replay.

    counts: outcome -> number of webhooks
    cursor: where the next page starts; None before the first page and after the last
    """

    replay_id: str
    selection: Selection
    requested_by: str
    requested_at: datetime
    updated_at: datetime
    status: ReplayStatus = ReplayStatus.QUEUED
    counts: Mapping[str, int] = field(default_factory=dict)
    cursor: str | None = None
    error: str | None = None

    @property
    def over(self) -> bool:
        return self.status in {ReplayStatus.COMPLETE, ReplayStatus.FAILED}

    def after(self, outcomes: Iterable[str], cursor: str | None, now: datetime) -> Replay:
        """Return the replay after one more page; cursor None: that page was the last."""
        status = ReplayStatus.RUNNING if cursor is not None else ReplayStatus.COMPLETE
        counts = dict(Counter(self.counts) + Counter(outcomes))
        return replace(self, status=status, counts=counts, cursor=cursor, updated_at=now)

    def failed(self, error: str, now: datetime) -> Replay:
        return replace(self, status=ReplayStatus.FAILED, error=error, updated_at=now)
