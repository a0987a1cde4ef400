"""Interprets a stored webhook: a read, a change of a company, a rate limit, or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.domain.codat_time import CodatTime
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.companies.domain.company import DELETED, CompanyChange, Connection
from codat_hub.errors import NeverProjected
from codat_hub.product_events.domain.read_event import ReadEntry, ReadEvent, ReadKey
from codat_hub.rate_limiting.domain import rate_limit_notice
from codat_hub.webhooks.webhook_event import WebhookFacts, parse_read_completed, recognise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice

# Codat's longest data type has 27 characters, a connection id 36, a status 17.
_MAX_NAME: Final = 64
# More than two clocks usually differ by.
_AHEAD: Final = timedelta(minutes=5)
_REMOVES: Final = frozenset({"connection.disconnected", "connection.deleted"})


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """An item of the inbox; `quarantine` is why its body was not recognised, None if it was."""

    webhook_id: str
    body: bytes
    quarantine: str | None = None
    received_at: datetime | None = None


type Fact = ReadEvent | CompanyChange | RateLimitNotice


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The content of a webhook.

    fact: what it changes; None: nothing, such as a write or another solution's event
    dated_ahead: Codat's date is over five minutes after the hub received it
    """

    fact: Fact | None
    dated_ahead: bool = False


def interpret(webhook: StoredWebhook) -> Interpretation:
    """Return the content of a webhook.

    Its time is the earlier of Codat's date and its reception, so that a date ahead hides nothing
    that comes after it.

    Raises NeverProjected when the webhook is not recognised, or does not have the shape that Codat
    documents.
    """
    facts = recognise(webhook.body)
    if not isinstance(facts, WebhookFacts):
        raise NeverProjected(facts.quarantine)
    payload: dict[str, Any] = json.loads(webhook.body)["payload"]
    generated = CodatTime(facts.generated_date).moment
    if generated is None:
        raise NeverProjected("generatedDate is not a date")
    received = webhook.received_at or generated
    fact = _fact(webhook, facts, payload, generated, min(generated, received))
    return Interpretation(fact, dated_ahead=generated - received > _AHEAD)


def _fact(
    webhook: StoredWebhook,
    facts: WebhookFacts,
    payload: dict[str, Any],
    generated: datetime,
    at: datetime,
) -> Fact | None:
    stamp = Stamp(at, facts.event_id)
    if facts.company_id is None:
        return _notice(facts.event_type, stamp, payload)
    if read := parse_read_completed(facts.event_type):
        return ReadEvent(
            event_id=facts.event_id,
            webhook_id=webhook.webhook_id,
            company_id=facts.company_id,
            product=read.product,
            subs=read.subs,
            at=at,
            generated=generated,
            modified_from=_date(payload.get("modifiedFromDate")),
            entries=_entries(payload["dataTypes"]),
        )
    match facts.event_type.partition(".")[0]:
        case "company":
            return _company_change(facts, facts.company_id, stamp, payload)
        case "connection":
            return _connection_change(facts, facts.company_id, stamp, payload)
    return None


def _notice(event_type: str, stamp: Stamp, payload: dict[str, Any]) -> RateLimitNotice | None:
    if event_type == "client.rateLimit.reached":
        return rate_limit_notice.reached(stamp, _date(payload.get("expiryDate")))
    if event_type == "client.rateLimit.reset":
        return rate_limit_notice.reset(stamp)
    return None


def _entries(raw: Iterable[Any]) -> tuple[ReadEntry, ...]:
    """Return the entries of a read; of two with the same key, the Complete one counts."""
    entries: dict[ReadKey, ReadEntry] = {}
    for raw_entry in raw:
        if not isinstance(raw_entry, dict):
            raise NeverProjected("an entry of payload.dataTypes is not an object")
        key = ReadKey(_name(raw_entry, "dataType"), _name(raw_entry, "connectionId"))
        modified = raw_entry.get("recordsModified") is True
        entry = ReadEntry(key, _name(raw_entry, "status"), modified)
        if key not in entries or entry.complete:
            entries[key] = entry
    return tuple(entries.values())


def _company_change(
    facts: WebhookFacts, company_id: str, stamp: Stamp, payload: dict[str, Any]
) -> CompanyChange:
    products = payload.get("products")
    removed = facts.event_type == "company.product.removed"
    return CompanyChange(
        company_id=company_id,
        stamp=stamp,
        name=_optional(payload, "name"),
        products=_names(products) if isinstance(products, list) else None,
        deleted=facts.event_type == "company.deleted",
        removed_product=facts.product if removed else None,
    )


def _connection_change(
    facts: WebhookFacts, company_id: str, stamp: Stamp, payload: dict[str, Any]
) -> CompanyChange:
    raw = payload["connection"]
    status = DELETED if facts.event_type == "connection.deleted" else _name(raw, "status")
    connection = Connection(
        stamp, status, _optional(raw, "integrationKey"), _optional(raw, "sourceType")
    )
    return CompanyChange(
        company_id=company_id,
        stamp=stamp,
        name=_optional(payload["referenceCompany"], "name"),
        connection_id=_name(raw, "id"),
        connection=connection,
        connection_removed=facts.event_type in _REMOVES,
    )


def _date(raw: object) -> datetime | None:
    """Return a date; None, which never hides data, if it is missing or malformed."""
    return CodatTime(raw).moment if isinstance(raw, str) else None


def _names(raw: list[Any]) -> tuple[str, ...]:
    return tuple(sorted({name for name in raw if isinstance(name, str) and _is_name(name)}))


def _name(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not _is_name(value):
        raise NeverProjected(f"{name} is not a text of 1 to {_MAX_NAME} characters")
    return value


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MAX_NAME and text.isprintable()


def _optional(holder: dict[str, Any], name: str) -> str | None:
    """Return a text for people, cut to 256 characters and without unprintable ones."""
    value = holder.get(name)
    if not isinstance(value, str):
        return None
    return "".join(char for char in value[:256] if char.isprintable()) or None
