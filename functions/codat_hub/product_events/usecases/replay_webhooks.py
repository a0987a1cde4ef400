"""Project stored webhooks again, such as those that were parked or given up."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import RequestReused, Unavailable
from codat_hub.product_events.domain.replay import (
    Parked,
    ReceivedBetween,
    Replay,
    WebhookIds,
    parse_selection,
)
from codat_hub.product_events.domain.stored_webhook import split_entry_key
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from codat_hub.product_events.domain.stored_webhook import StoredWebhook
    from codat_hub.product_events.ports import Archive, Parking, Replays
    from codat_hub.product_events.usecases.project_reads import Report
    from codat_hub.storage.ports import IdSender

_KEYS: Final = uuid.UUID("6f0f2f0c-6c2f-4f0e-9d5e-0f5a4c9d7b21")  # the hub's own namespace
PAGE: Final = 25  # webhooks between two writes of the cursor


@dataclass(frozen=True)
class StartReplay:
    """Queues replays."""

    replays: Replays
    queue: IdSender
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def __call__(
        self, selection: Mapping[str, Any], requested_by: str, key: str | None = None
    ) -> Replay:
        """Queue a replay and return it.

        selection: as the API takes it
        requested_by: the caller's ARN
        key: the same key of the same caller queues the same replay again

        Raises MalformedSelection, Unavailable, and RequestReused if the key came with another
        selection before.
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
    """Projects the webhooks of a replay, page by page.

    The cursor is stored after each page. If a worker is killed, the next worker projects the page
    again, which publishes nothing twice: those webhooks are counted as repeated, or not at all if
    they are no longer parked.
    """

    replays: Replays
    archive: Archive
    parking: Parking
    project: Callable[[StoredWebhook], Report]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, replay_id: str, has_time: Callable[[], bool]) -> bool:
        """Project pages while there is time, and return whether the replay is over.

        Raises Unavailable. The next call continues from the stored cursor in any case.
        """
        replay, version = self.replays.get(replay_id)
        if replay is None:
            logger.error("replay is not known", replay_id=replay_id)
            return True
        while not replay.over:
            if not has_time():
                return False
            replay = self._advance(replay)
            if not self.replays.put(replay, version):
                return False  # the message came twice, and another worker is ahead: try again later
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
        except Exception as fault:  # noqa: BLE001  # the replay names the fault to its requester
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
            case ReceivedBetween() as received:
                webhooks, cursor = self.archive.page(received, replay.cursor)
                return [self._replay(webhook) for webhook in webhooks], cursor

    def _replay_all(self, keys: Iterable[str]) -> list[str]:
        found = ((key, self._find(key)) for key in keys)
        return [
            self._missing(key) if webhook is None else self._replay(webhook)
            for key, webhook in found
        ]

    def _missing(self, key: str) -> str:
        self.parking.unpark(key)  # the inbox has dropped it, so no replay can ever help
        return "missing"

    def _find(self, key: str) -> StoredWebhook | None:
        """Return a webhook, or a parked entry of a webhook as one that has no other."""
        webhook = self.archive.get(key)
        parts = split_entry_key(key)
        if webhook is not None or parts is None:
            return webhook
        webhook_id, position = parts
        whole = self.archive.get(webhook_id)
        return None if whole is None else replace(whole, entry=position)

    def _replay(self, webhook: StoredWebhook) -> str:
        outcome = str(self.project(webhook).outcome)
        if outcome != "parked":
            self.parking.unpark(webhook.key)
        return outcome
