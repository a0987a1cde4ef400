"""Turns items of the Inbox table into stored webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from codat_hub.product_events.domain.stored_webhook import StoredWebhook

if TYPE_CHECKING:
    from collections.abc import Mapping


def stored_webhook(image: Mapping[str, Any]) -> StoredWebhook:
    """Return the webhook of a deserialised inbox item; InboxTable lists the attributes."""
    body = str(image.get("body", "")).encode(errors="surrogatepass")
    received = image.get("received_at")
    received_at = _time(received)
    return StoredWebhook(
        webhook_id=str(image["webhook_id"]),
        body=body,
        quarantine=image.get("quarantine"),
        received_at=received_at,
        unreadable="received_at" if received is not None and received_at is None else None,
        expires_at=_epoch(image.get("expires_at")),
    )


def _epoch(seconds: object) -> datetime | None:
    """Return the time of a TTL, None if there is none."""
    return datetime.fromtimestamp(int(seconds), UTC) if isinstance(seconds, Decimal) else None


def _time(text: object) -> datetime | None:
    """Return an aware time, None if there is none."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return None if time.tzinfo is None else time
