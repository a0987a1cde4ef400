"""Interprets a stored webhook: a read, a change of a company, a rate limit, or nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
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
    from collections.abc import Mapping
    from datetime import datetime

    from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice

# Codat's longest data type has 27 characters, a connection id 36, a status 17.
_MAX_NAME: Final = 64
_POSITION: Final = re.compile(r"\d{1,6}", re.ASCII)
# More than two clocks usually differ by.
_AHEAD: Final = timedelta(minutes=5)
_REMOVES: Final = frozenset({"connection.disconnected", "connection.deleted"})


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """An item of the inbox.

    quarantine: why its body was not recognised, None if it was
    entry: project only this entry of the read, by its position in dataTypes; None: all entries
    unreadable: the attribute of the item that cannot be read, if any
    expires_at: when the inbox drops it, None: never
    """

    webhook_id: str
    body: bytes
    quarantine: str | None = None
    received_at: datetime | None = None
    entry: int | None = None
    unreadable: str | None = None
    expires_at: datetime | None = None

    @property
    def key(self) -> str:
        """Return the key under which the webhook, or its single entry, is parked and replayed."""
        return self.webhook_id if self.entry is None else self.entry_key(self.entry)

    def entry_key(self, position: int) -> str:
        return f"{self.webhook_id}#{position}"


def split_entry_key(key: str) -> tuple[str, int] | None:
    """Return the webhook-id and the position in the key of an entry; None for any other key."""
    webhook_id, _, position = key.rpartition("#")
    return (webhook_id, int(position)) if webhook_id and _POSITION.fullmatch(position) else None


type Fact = ReadEvent | CompanyChange | RateLimitNotice


@dataclass(frozen=True, slots=True)
class Interpretation:
    """The content of a webhook.

    fact: what it changes; None: nothing, such as a write or another solution's event
    dated_ahead: Codat's date is over five minutes after the hub received it
    unusable: position -> reason, of the entries that the read is without
    """

    fact: Fact | None
    dated_ahead: bool = False
    unusable: Mapping[int, str] = field(default_factory=dict)


# Long because it fills every field of a read.
def interpret(webhook: StoredWebhook) -> Interpretation:
    """Return the content of a webhook.

    Its time is the earlier of Codat's date and its reception, so that a date ahead hides nothing
    that comes after it.

    Raises NeverProjected when the webhook is not recognised, or does not have the shape that Codat
    documents.
    """
    if webhook.unreadable is not None:
        raise NeverProjected(f"{webhook.unreadable} of the inbox item cannot be read")
    facts = recognise(webhook.body)
    if not isinstance(facts, WebhookFacts):
        raise NeverProjected(facts.quarantine)
    payload: dict[str, Any] = json.loads(webhook.body)["payload"]
    generated = CodatTime(facts.generated_date).moment
    if generated is None:
        raise NeverProjected("generatedDate is not a date")
    received = webhook.received_at or generated
    ahead = generated - received > _AHEAD
    stamp = Stamp(min(generated, received), facts.event_id)
    parsed = parse_read_completed(facts.event_type)
    if parsed is None or facts.company_id is None:
        return Interpretation(_change(facts, stamp, payload), ahead)
    entries, unusable = _entries(payload["dataTypes"], webhook.entry)
    read = ReadEvent(
        # An entry that comes after the others of its event is no repeat of them.
        event_id=facts.event_id if webhook.entry is None else f"{facts.event_id}#{webhook.entry}",
        webhook_id=webhook.webhook_id,
        company_id=facts.company_id,
        product=parsed.product,
        subs=parsed.subs,
        at=stamp.at,
        generated=generated,
        modified_from=_date(payload.get("modifiedFromDate")),
        entries=entries,
    )
    return Interpretation(read, ahead, unusable)


def _change(
    facts: WebhookFacts, stamp: Stamp, payload: dict[str, Any]
) -> CompanyChange | RateLimitNotice | None:
    if facts.company_id is None:
        return _notice(facts.event_type, stamp, payload)
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


def _entries(
    raw: list[Any], position: int | None
) -> tuple[tuple[ReadEntry, ...], Mapping[int, str]]:
    """Return the usable entries of a read, and position -> reason of all others.

    Of two entries with the same key, the Complete one counts.

    position: only the entry there; None: all entries
    """
    if position is not None and position >= len(raw):
        raise NeverProjected(f"payload.dataTypes has no entry {position}")
    entries: dict[ReadKey, ReadEntry] = {}
    unusable: dict[int, str] = {}
    for place, raw_entry in enumerate(raw):
        if position not in {None, place}:
            continue
        try:
            entry = _entry(raw_entry)
        except NeverProjected as reason:
            unusable[place] = f"entry {place} of payload.dataTypes: {reason}"
            continue
        if entry.key not in entries or entry.complete:
            entries[entry.key] = entry
    return tuple(entries.values()), unusable


def _entry(raw: object) -> ReadEntry:
    if not isinstance(raw, dict):
        raise NeverProjected("it is not an object")
    key = ReadKey(_name(raw, "dataType"), _name(raw, "connectionId"))
    return ReadEntry(key, _name(raw, "status"), raw.get("recordsModified") is True)


def _company_change(
    facts: WebhookFacts, company_id: str, stamp: Stamp, payload: dict[str, Any]
) -> CompanyChange:
    products = payload.get("products")
    return CompanyChange(
        company_id=company_id,
        stamp=stamp,
        name=_optional(payload, "name"),
        products=_names(products) if isinstance(products, list) else None,
        deleted=facts.event_type == "company.deleted",
        removed_product=facts.product if facts.event_type == "company.product.removed" else None,
        added_product=facts.product if facts.event_type == "company.product.added" else None,
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
