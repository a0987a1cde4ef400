"""Recognises Codat's webhooks: the grammar of event types and the place of each family's ids.

No document fixes product identifiers or the order of sub-events, so both are read tolerantly
(docs/codat.md, C24, C25, C26, C27).
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from codat_hub.codat.domain.codat_time import CodatTime

MAX_NAME: Final = 256  # characters; published event types and identifiers are far shorter
_READ: Final = re.compile(
    r"(?:(?P<product>[\w-]+(?:\.[\w-]+)*)\.)?read\.completed"
    r"(?P<subs>(?:\.(?:initial|successful|unsuccessful))*)",
    re.ASCII,
)
_WRITE: Final = re.compile(r"[A-Za-z][A-Za-z-]*\.write\.(?:successful|unsuccessful)")
_COMPANY: Final = frozenset(
    {"company.created", "company.deleted", "company.product.added", "company.product.removed"}
)
_CONNECTION: Final = frozenset(
    f"connection.{change}"
    for change in ("created", "connected", "failed", "disconnected", "reconnected", "deleted")
)
_CLIENT: Final = frozenset({"client.rateLimit.reached", "client.rateLimit.reset"})
# Events of other Codat solutions, which the hub does not use (docs/codat.md, C31).
_OTHER: Final = frozenset(
    {
        "AccountCategoriesUpdated",
        "bankFeeds.sourceAccount.connected",
        "bankFeeds.sourceAccount.disconnected",
        "expenses.sync.successful",
        "expenses.sync.unsuccessful",
    }
)
_OTHER_REPORT: Final = re.compile(
    r"reports?\.(?:categorizedBankStatement|creditModel|spendAnalysis)\.generate\.[a-z]+"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An authentic webhook as received; `body` is byte-exact."""

    webhook_id: str
    consumer: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ReadCompleted:
    """A parsed `{product}.read.completed{.sub-events}`; product None: plain `read.completed`."""

    product: str | None
    subs: frozenset[str]


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """The facts of a webhook that later steps need; `generated_date` is Codat's own text."""

    event_id: str
    event_type: str
    generated_date: str
    company_id: str | None = None
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """An authentic webhook of unknown type or shape; `quarantine` is the reason."""

    quarantine: str


class _NotRecognised(Exception):
    """The webhook is not recognised; the text is the reason."""


def parse_read_completed(event_type: str) -> ReadCompleted | None:
    """Parse the event type of a read, its sub-events in any order; None for any other type."""
    match = _READ.fullmatch(event_type[: MAX_NAME + 1])
    if match is None or len(event_type) > MAX_NAME:
        return None
    return ReadCompleted(match["product"], frozenset(match["subs"].split(".")[1:]))


def recognise(body: bytes) -> WebhookFacts | Unrecognised:
    """Return the facts of a webhook, or the reason for which they cannot be recognised."""
    try:
        return _recognise(_json_object(body))
    except _NotRecognised as reason:
        return Unrecognised(str(reason))


def _recognise(event: dict[str, Any]) -> WebhookFacts:
    event_type = _text(event, "eventType")
    event_id = _text(event, "id")
    generated = _text(event, "generatedDate")
    if CodatTime(generated).moment is None:
        raise _NotRecognised("generatedDate is not a date")
    payload = event.get("payload")
    if not isinstance(payload, dict):
        raise _NotRecognised("payload is not an object")
    company, product = _recognise_payload(event_type, payload)
    return WebhookFacts(event_id, event_type, generated, company, product)


def _recognise_payload(event_type: str, payload: dict[str, Any]) -> tuple[str | None, str | None]:
    if read := parse_read_completed(event_type):
        if not isinstance(payload.get("dataTypes"), list):
            raise _NotRecognised("payload.dataTypes is not a list")
        return _reference_company(payload), read.product
    if event_type in _COMPANY:
        names_product = event_type.startswith("company.product.")
        product = _text(payload, "productId", "payload.") if names_product else None
        # One published sample has `referenceCompany` here too (docs/codat.md, C25).
        if isinstance(payload.get("referenceCompany"), dict):
            return _reference_company(payload), product
        return _text(payload, "id", "payload."), product
    if event_type in _CONNECTION:
        connection = payload.get("connection")
        if not isinstance(connection, dict):
            raise _NotRecognised("payload.connection is not an object")
        _text(connection, "id", "payload.connection.")
        return _reference_company(payload), None
    if _WRITE.fullmatch(event_type):
        return _reference_company(payload), None
    if event_type in _CLIENT or event_type in _OTHER or _OTHER_REPORT.fullmatch(event_type):
        return None, None
    raise _NotRecognised("unknown event type")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise _NotRecognised("body is not JSON") from None
    if not isinstance(event, dict):
        raise _NotRecognised("body is not a JSON object")
    return event


def _reference_company(payload: dict[str, Any]) -> str:
    company = payload.get("referenceCompany")
    if not isinstance(company, dict):
        raise _NotRecognised("payload.referenceCompany is not an object")
    return _text(company, "id", "payload.referenceCompany.")


def _text(holder: dict[str, Any], name: str, path: str = "") -> str:
    value = holder.get(name)
    # isprintable() also excludes lone surrogates, which JSON allows and DynamoDB refuses.
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise _NotRecognised(f"{path}{name} is not a text of 1 to {MAX_NAME} characters")
    return value
