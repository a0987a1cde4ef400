"""Project webhooks again that are in the inbox: parked ones, given-up ones, any."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from codat_hub.errors import RequestReused, Unavailable
from codat_hub.product_events.domain.replay import (
    Parked,
    Received,
    Replay,
    WebhookIds,
    parse_selection,
)
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from codat_hub.product_events.domain.stored_webhook import StoredWebhook
    from codat_hub.product_events.usecases.project_reads import Report

_KEYS: Final = uuid.UUID("6f0f2f0c-6c2f-4f0e-9d5e-0f5a4c9d7b21")  # a namespace of our own
PAGE: Final = 25  # webhooks between two notes of the cursor


class Replays(Protocol):
    def get(self, replay_id: str) -> tuple[Replay | None, int]: ...
    def put(self, replay: Replay, version: int) -> bool: ...


class ReplayQueue(Protocol):
    def send(self, replay_id: str) -> None: ...


class Archive(Protocol):
    def get(self, webhook_id: str) -> StoredWebhook | None: ...
    def page(
        self, received: Received, after: str | None
    ) -> tuple[list[StoredWebhook], str | None]: ...


class Parking(Protocol):
    def page(self, after: str | None, limit: int) -> tuple[list[str], str | None]: ...
    def unpark(self, webhook_id: str) -> None: ...


@dataclass(frozen=True)
class StartReplay:
    """Call it with what is to be replayed and who asks; returns the replay, queued.

    Raises MalformedSelection, Unavailable.
    """

    replays: Replays
    queue: ReplayQueue
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def __call__(
        self, selection: Mapping[str, Any], requested_by: str, key: str | None = None
    ) -> Replay:
        """`key`: the same of the same caller again is the same replay, queued once more.

        Raises RequestReused if it came with another selection.
        """
        now = self.now()
        own_id = self.new_id() if key is None else str(uuid.uuid5(_KEYS, f"{requested_by} {key}"))
        replay = Replay(own_id, parse_selection(selection), requested_by, now, now)
        known, _ = self.replays.get(own_id)
        if known is not None and known.selection != replay.selection:
            raise RequestReused(f"The Idempotency-Key came with another selection before: {own_id}")
        if known is not None:
            self.queue.send(own_id)
            return known
        self.replays.put(replay, version=0)
        self.queue.send(replay.replay_id)
        logger.info("replay queued", replay_id=replay.replay_id, requested_by=requested_by)
        return replay


@dataclass(frozen=True)
class ReplayWebhooks:
    """Call it with a replay's id until it says that the replay is over.

    The cursor is noted after each page. If a worker is killed, the next one projects its page once
    more, which publishes nothing again: those webhooks are counted as repeated, or not at all if
    they are parked no more. Raises Unavailable; then too the replay goes on from its cursor.
    """

    replays: Replays
    archive: Archive
    parking: Parking
    project: Callable[[StoredWebhook], Report]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, replay_id: str, has_time: Callable[[], bool]) -> bool:
        replay, version = self.replays.get(replay_id)
        if replay is None:
            logger.error("replay is not known", replay_id=replay_id)
            return True
        while not replay.over:
            if not has_time():
                return False
            replay = self._advance(replay)
            if not self.replays.put(replay, version):
                return False  # the queue has delivered twice, and another is further: look again
            version += 1
        logger.info(
            "replay over", replay_id=replay_id, status=replay.status, counts=dict(replay.counts)
        )
        return True

    def _advance(self, replay: Replay) -> Replay:
        try:
            outcomes, cursor = self._replay_page(replay)
        except Unavailable:
            raise
        except Exception as fault:  # noqa: BLE001  # to be seen by who asked for it
            logger.exception("replay failed", replay_id=replay.replay_id)
            return replay.failed(type(fault).__name__, self.now())
        return replay.after(outcomes, cursor, self.now())

    def _replay_page(self, replay: Replay) -> tuple[list[str], str | None]:
        match replay.selection:
            case WebhookIds(ids):
                start = int(replay.cursor or 0)
                after = start + PAGE
                outcomes = self._replay_all(ids[start:after])
                return outcomes, str(after) if after < len(ids) else None
            case Parked():
                parked, cursor = self.parking.page(replay.cursor, PAGE)
                return self._replay_all(parked), cursor
            case Received() as received:
                webhooks, cursor = self.archive.page(received, replay.cursor)
                return [self._replay(webhook) for webhook in webhooks], cursor

    def _replay_all(self, webhook_ids: Iterable[str]) -> list[str]:
        found = (self.archive.get(webhook_id) for webhook_id in webhook_ids)
        return ["missing" if webhook is None else self._replay(webhook) for webhook in found]

    def _replay(self, webhook: StoredWebhook) -> str:
        outcome = str(self.project(webhook).outcome)
        if outcome != "parked":
            self.parking.unpark(webhook.webhook_id)
        return outcome
