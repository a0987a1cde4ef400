"""The Inbox table's stream: new items, as the projection takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codat_hub.domain.stored_webhook import StoredWebhook

if TYPE_CHECKING:
    from collections.abc import Mapping


def stored_webhook(image: Mapping[str, Any]) -> StoredWebhook:
    """Read an inbox item's image, deserialised; its attributes are listed in inbox.py."""
    body = str(image.get("body", "")).encode(errors="surrogatepass")
    return StoredWebhook(str(image["webhook_id"]), body, image.get("quarantine"))
