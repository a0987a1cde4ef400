"""From a stored webhook to what it says: a read, a change of a company, a limit, or nothing."""

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
# Time zones apart; what is dated later than this would supersede all that comes until then.
_AHEAD: Final = timedelta(days=1)
_REMOVES: Final = frozenset({"connection.disconnected", "connection.deleted"})


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """One inbox item; `quarantine` is why its body could not be placed, None when it could."""

    webhook_id: str
    body: bytes
    quarantine: str | None = None
    received_at: datetime | None = None


type Fact = ReadEvent | CompanyChange | RateLimitNotice


def interpret(webhook: StoredWebhook) -> Fact | None:
    """Say what the webhook means for the projection; None: nothing (writes, other solutions').

    Raises NeverProjected when it is of a kind we act on but not of the shape Codat documents.
    """
    placed = recognise(webhook.body)
    if not isinstance(placed, WebhookFacts):
        raise NeverProjected(placed.quarantine)
    payload: dict[str, Any] = json.loads(webhook.body)["payload"]
    generated = CodatTime(placed.generated_date).moment
    if generated is None:
        raise NeverProjected("generatedDate is not a date")
    if webhook.received_at is not None and generated - webhook.received_at > _AHEAD:
        raise NeverProjected("generatedDate is over a day after the webhook was received")
    stamp = Stamp(generated, placed.event_id)
    family = placed.event_type.partition(".")[0]
    if placed.company_id is not None and (read := parse_read_completed(placed.event_type)):
        return ReadEvent(
            event_id=placed.event_id,
            webhook_id=webhook.webhook_id,
            company_id=placed.company_id,
            product=read.product,
            subs=read.subs,
            at=stamp.at,
            modified_from=_date(payload.get("modifiedFromDate")),
            entries=_entries(payload["dataTypes"]),
        )
    if placed.company_id is not None and family == "company":
        return _company_change(placed, stamp, payload)
    if placed.company_id is not None and family == "connection":
        return _connection_change(placed, stamp, payload)
    if placed.event_type == "client.rateLimit.reached":
        return rate_limit_notice.reached(stamp, _date(payload.get("expiryDate")))
    if placed.event_type == "client.rateLimit.reset":
        return rate_limit_notice.reset(stamp)
    return None


def _entries(raw: Iterable[Any]) -> tuple[ReadEntry, ...]:
    """Read the data types of a read; of two entries of one key a Complete one counts."""
    entries: dict[ReadKey, ReadEntry] = {}
    for each in raw:
        if not isinstance(each, dict):
            raise NeverProjected("an entry of payload.dataTypes is not an object")
        key = ReadKey(_name(each, "dataType"), _name(each, "connectionId"))
        entry = ReadEntry(key, _name(each, "status"), each.get("recordsModified") is True)
        if key not in entries or entry.complete:
            entries[key] = entry
    return tuple(entries.values())


def _company_change(placed: WebhookFacts, stamp: Stamp, payload: dict[str, Any]) -> CompanyChange:
    products = payload.get("products")
    removed = placed.event_type == "company.product.removed"
    return CompanyChange(
        company_id=str(placed.company_id),
        stamp=stamp,
        name=_optional(payload, "name"),
        products=_names(products) if isinstance(products, list) else None,
        deleted=placed.event_type == "company.deleted",
        removed_product=placed.product if removed else None,
    )


def _connection_change(
    placed: WebhookFacts, stamp: Stamp, payload: dict[str, Any]
) -> CompanyChange:
    raw = payload["connection"]
    status = DELETED if placed.event_type == "connection.deleted" else _name(raw, "status")
    connection = Connection(
        stamp, status, _optional(raw, "integrationKey"), _optional(raw, "sourceType")
    )
    return CompanyChange(
        company_id=str(placed.company_id),
        stamp=stamp,
        name=_optional(payload["referenceCompany"], "name"),
        connection_id=_name(raw, "id"),
        connection=connection,
        connection_removed=placed.event_type in _REMOVES,
    )


def _date(raw: object) -> datetime | None:
    """Read a date that may be missing or nonsense: both are None, which never hides data."""
    return CodatTime(raw).moment if isinstance(raw, str) else None


def _names(raw: list[Any]) -> tuple[str, ...]:
    return tuple(sorted({one for one in raw if isinstance(one, str) and _is_name(one)}))


def _name(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not _is_name(value):
        raise NeverProjected(f"{name} is not a text of 1 to {_MAX_NAME} characters")
    return value


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MAX_NAME and text.isprintable()


def _optional(holder: dict[str, Any], name: str) -> str | None:
    """Return a text to show people: cut, and without what a table or screen cannot hold."""
    value = holder.get(name)
    if not isinstance(value, str):
        return None
    return "".join(char for char in value[:256] if char.isprintable()) or None
