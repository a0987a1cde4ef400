"""What a Codat webhook is about: the eventType grammar, and where each family keeps its ids.

Sources: docs/codat.md, C24, C25, C26, C27. No document fixes product
identifiers and the order of sub-events, so both are read tolerantly.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from codat_hub.codat.domain.codat_time import CodatTime

MAX_NAME: Final = 256  # characters; no published event type or identifier comes near
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
    f"connection.{what}"
    for what in ("created", "connected", "failed", "disconnected", "reconnected", "deleted")
)
_CLIENT: Final = frozenset({"client.rateLimit.reached", "client.rateLimit.reset"})
# Other Codat solutions' events: nothing to act on or to worry about (docs/codat.md, C31).
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
    """One authentic webhook, as received. `body` is byte-exact."""

    webhook_id: str
    consumer: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ReadCompleted:
    """`{product}.read.completed{.sub-events}`; product None is Codat's plain `read.completed`."""

    product: str | None
    subs: frozenset[str]


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """The facts every later step keys on. `generated_date` is Codat's own text."""

    event_id: str
    event_type: str
    generated_date: str
    company_id: str | None = None
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """An authentic webhook whose type or shape we do not know; for a person to look at."""

    quarantine: str


class _NotRecognised(Exception):
    """The text is the reason."""


def parse_read_completed(event_type: str) -> ReadCompleted | None:
    """Read the read-completed grammar; None for every other type. Sub-events in any order."""
    match = _READ.fullmatch(event_type[: MAX_NAME + 1])
    if match is None or len(event_type) > MAX_NAME:
        return None
    return ReadCompleted(match["product"], frozenset(match["subs"].split(".")[1:]))


def recognise(body: bytes) -> WebhookFacts | Unrecognised:
    """Find type, ids, time and product of a webhook, or say why that cannot be done."""
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
        of_product = event_type.startswith("company.product.")
        product = _text(payload, "productId", "payload.") if of_product else None
        # One published sample wraps referenceCompany here too (docs/codat.md, C25).
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
    # isprintable also keeps out lone surrogates, which JSON can spell and DynamoDB cannot hold.
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise _NotRecognised(f"{path}{name} is not a text of 1 to {MAX_NAME} characters")
    return value
