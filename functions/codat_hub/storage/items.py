"""The keys of every kind of item in the State table.

`pk` / `sk` of each kind, and the feature / adapter that writes it. Every item has a `version`,
which counts its changes. Kinds marked TTL have `expires_at`, after which DynamoDB deletes the item.

    COMPANY#{company} / DIRECTORY                      companies/company_store.py
    COMPANY#{company} / PRODUCT#{product}              companies/assignment_store.py
    COMPANY#{company} / READS                          product_events/read_state_store.py
    COMPANY#{company} / READS#{product}                the same, for a custom product
    COMPANY#{company} / REFRESH#TICKET#{product}       refresh/ticket_store.py
    COMPANY#{company} / REFRESH#TICKET#                the same, for client-level settings
    COMPANY#{company} / REFRESH#LEASE[#{product}]      refresh/lease_store.py
    RUNS#{product}    / {slot}  TTL                    refresh/refresh_run_store.py
    REQUEST#{key}     / CREATE_COMPANY  TTL            companies/creation_store.py
    CODAT             / PRODUCTS                       products/product_store.py
    CODAT             / FULL_LOADS                     product_events/full_load_store.py
    CODAT             / CLIENT                         codat/client_check_store.py
    CODAT             / GATE                           rate_limiting/rate_limiter_store.py
    CODAT             / RATE_LIMIT                     rate_limiting/rate_limit_notice_store.py
    CODAT             / DISPATCH                       refresh/dispatch_store.py
    CODAT             / MIGRATION                      migration/ledger.py: the newest run
    CODAT             / RECONCILE                      reconcile/reconcile_run_store.py: the same
    PARKED            / {webhook-id}  TTL              product_events/parking_store.py
    REPLAY#{id}       / RUN  TTL                       product_events/replay_store.py
    MIGRATION#{id}    / RUN, EPOCH                     migration/ledger.py
    MIGRATION#{id}    / ENTRY#{name}                   the same
    MIGRATION#{id}    / CHUNK#{phase}#{chunk}          the same
    RECONCILE#{id}    / RUN  TTL                       reconcile/reconcile_run_store.py
    RECONCILE#{id}    / DRIFT#{step}, SEEN#{step}, GONE#{step}  TTL  the same

The index `gsi1` lists items by group (`gsi1pk`) and by a rank that is unique in the group
(`gsi1sk`). It projects keys only. Large groups are spread over SHARDS partitions by company:

    COMPANIES#{shard}          by company id         companies
    PRODUCT#{product}#{shard}  by company id         assignments that are not absent
    DUE#{product}              by time and company   open tickets
    OVERDUE#{product}          by time and company   read states, by the time they become overdue
    RUNS                       by slot and product   unfinished refresh runs
    MIGRATIONS                 by start              migrations
    RECONCILES                 by id                 reconcile runs
    PARKED                     by expiry and key     parked webhooks
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, NamedTuple
from zlib import crc32

CODAT: Final = "CODAT"
SHARDS: Final = 8  # another number would need every item listed again


class ItemKey(NamedTuple):
    """The primary key of an item."""

    pk: str
    sk: str


class Listed(NamedTuple):
    """An item's place in the index: a group, and a rank that is unique in it."""

    group: str
    rank: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An item's attributes, and its version; an absent item has version 0."""

    attributes: Mapping[str, Any]
    version: int


def shard_of(company_id: str) -> int:
    """Return the shard that lists a company's items, from 0 to SHARDS - 1."""
    return crc32(company_id.encode()) % SHARDS


def company_key(company_id: str, sort: str) -> ItemKey:
    return ItemKey(f"COMPANY#{company_id}", sort)


def spell(moment: datetime) -> str:
    """Write an aware time as text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def spell_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else spell(moment)


def moment_or_none(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def attributes(record: Any) -> dict[str, Any]:
    """Return a dataclass's fields as attributes of an item, under the names of the fields.

    A time is a text that sorts by time, an enum its value, a sequence a list, and a dataclass or
    a mapping inside a map.
    """
    return {field.name: _attribute(getattr(record, field.name)) for field in fields(record)}


def _attribute(value: Any) -> Any:
    match value:
        case datetime():
            return spell(value)
        case Enum():
            return value.value
        case Mapping():
            return {name: _attribute(inner) for name, inner in value.items()}
        case tuple() | list():
            return [_attribute(inner) for inner in value]
        case _ if is_dataclass(value):
            return attributes(value)
        case _:
            return value
