"""The API lists, creates and deletes webhook consumers (docs/codat.md, C42)."""

from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from tools.sandbox.requests.errors import CodatError, invalid_request
from tools.sandbox.webhooks.model import Consumer, PostState
from tools.sandbox.webhooks.post_office import PostOffice
from tools.sandbox.webhooks.signing import new_secret
from tools.sandbox.world.identifiers import Identifiers

_SCHEMES: Final = frozenset({"http", "https"})
MOST_CONSUMERS: Final = 50
MOST_TAGS: Final = 10
LONGEST_TAG: Final = 128


def create(post: PostState, ids: Identifiers, body: dict[str, Any]) -> Consumer:
    """Add a consumer; its signing secret is shown in the Portal only."""
    if len(post.consumers) >= MOST_CONSUMERS:
        raise invalid_request(f"A client can have {MOST_CONSUMERS} webhook consumers.")
    consumer = Consumer(
        id=ids.uuid(),
        url=_url(body.get("url")),
        event_types=_event_types(body.get("eventTypes")),
        secrets=[new_secret(ids)],
        company_tags=_tags(body.get("companyTags")),
        disabled=_disabled(body.get("disabled")),
    )
    post.consumers[consumer.id] = consumer
    return consumer


def delete(office: PostOffice, consumer_id: str) -> None:
    """Remove a consumer with its secret and its pending deliveries."""
    office.forget(find(office.state, consumer_id).id)


def find(post: PostState, consumer_id: str) -> Consumer:
    """Return the consumer, or raise Codat's 404."""
    if consumer := post.consumers.get(consumer_id):
        return consumer
    raise CodatError(404, f"No webhook consumer was found with ID {consumer_id}")


def view(consumer: Consumer) -> dict[str, Any]:
    """Show the API's `WebhookConsumer`, which never has the secret."""
    shown: dict[str, Any] = {
        "id": consumer.id,
        "url": consumer.url,
        "disabled": consumer.disabled,
        "eventTypes": consumer.event_types,
    }
    if consumer.company_tags is not None:
        shown["companyTags"] = consumer.company_tags
    return shown


def is_address(text: str) -> bool:
    """Tell whether a URL is http or https, with a host and port that can exist."""
    if not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts, asked = urlsplit(text), httpx.URL(text)
        return parts.scheme in _SCHEMES and bool(asked.host) and parts.port != 0
    except (ValueError, httpx.InvalidURL):  # ValueError: a port or name beyond the rules
        return False


def _url(value: Any) -> str:
    if isinstance(value, str) and is_address(value):
        return value
    raise invalid_request("url must be an absolute http or https address.")


def _event_types(value: Any) -> list[str]:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return list(value)
    raise invalid_request("eventTypes must name at least one event type.")


def _disabled(value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise invalid_request("disabled must be true or false.")


def _tags(value: Any) -> list[str] | None:
    if value is None:
        return None
    if (
        isinstance(value, list)
        and len(value) <= MOST_TAGS
        and all(isinstance(tag, str) and len(tag) <= LONGEST_TAG for tag in value)
    ):
        return list(value)
    raise invalid_request(f"companyTags: at most {MOST_TAGS}, each at most {LONGEST_TAG} long.")
