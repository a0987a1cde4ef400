"""Turns items of the Inbox table into stored webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from codat_hub.product_events.domain.stored_webhook import StoredWebhook

if TYPE_CHECKING:
    from collections.abc import Mapping


def stored_webhook(image: Mapping[str, Any]) -> StoredWebhook:
    """Return the webhook of a deserialised inbox item; InboxTable lists the attributes."""
    body = str(image.get("body", "")).encode(errors="surrogatepass")
    received = image.get("received_at")
    return StoredWebhook(
        webhook_id=str(image["webhook_id"]),
        body=body,
        quarantine=image.get("quarantine"),
        received_at=None if received is None else datetime.fromisoformat(received),
    )
