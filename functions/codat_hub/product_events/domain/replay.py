"""A replay: which stored webhooks are to be projected again, and how far that has come."""

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
    """What is to be replayed is not said as it should be; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class WebhookIds:
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parked:
    """Everything that is parked."""


@dataclass(frozen=True, slots=True)
class ReceivedBetween:
    """What came from `since` on and before `until`; product as published, or of its directory.

    What the stream gave up is found like this: the inbox has it all.
    """

    since: datetime
    until: datetime
    company_id: str | None = None
    product: str | None = None


type Selection = WebhookIds | Parked | ReceivedBetween


def parse_selection(raw: Mapping[str, Any]) -> Selection:
    """Read `{webhook_ids}`, `{parked: true}` or `{received_from, received_to, company_id?,

    product?}`. Raises MalformedSelection.
    """
    names = set(raw)
    if names == {"webhook_ids"}:
        return WebhookIds(_webhook_ids(raw["webhook_ids"]))
    if names == {"parked"} and raw["parked"] is True:
        return Parked()
    if {"received_from", "received_to"} <= names <= _RANGE:
        return _received(raw)
    raise MalformedSelection(
        "expected webhook_ids, or parked: true, or received_from and received_to,"
        " these with company_id and product if wanted"
    )


def _webhook_ids(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not 0 < len(raw) <= MAX_WEBHOOK_IDS:
        raise MalformedSelection(f"webhook_ids is not a list of 1 to {MAX_WEBHOOK_IDS}")
    ids = dict.fromkeys(_text("webhook_ids", one) for one in raw)
    if not all(one.isascii() for one in ids):
        raise MalformedSelection("webhook_ids: one is no webhook-id")
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
    FAILED = "failed"  # by a fault of ours, which `error` names


@dataclass(frozen=True, slots=True)
class Replay:
    """`counts`: webhooks by outcome; `cursor`: where the next page starts, None at the start."""

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
        """Count one more page; without a cursor it was the last."""
        status = ReplayStatus.RUNNING if cursor is not None else ReplayStatus.COMPLETE
        counts = dict(Counter(self.counts) + Counter(outcomes))
        return replace(self, status=status, counts=counts, cursor=cursor, updated_at=now)

    def failed(self, error: str, now: datetime) -> Replay:
        return replace(self, status=ReplayStatus.FAILED, error=error, updated_at=now)
