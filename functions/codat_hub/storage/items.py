"""The items of the State table: each kind has keys of its own.

`pk` / `sk` so far (issue by issue more come; `version` counts the changes of an item):

    COMPANY#{company}  / DIRECTORY        companies.py
    COMPANY#{company}  / READS            read_states.py, plain reads
    COMPANY#{company}  / READS#{product}  read_states.py, one item per custom product
    COMPANY#{company}  / PRODUCT#{product}  assignments.py
    COMPANY#{company}  / REFRESH#TICKET#{product}  tickets.py; no product: client-level settings
    COMPANY#{company}  / REFRESH#LEASE[#{product}]  tickets.py
    RUNS#{product}     / {slot}           refresh_runs.py, with `expires_at` (TTL)
    CODAT              / GATE             gates.py
    CODAT              / DISPATCH         dispatches.py
    REQUEST#{key}      / CREATE_COMPANY   creations.py, with `expires_at` (TTL)
    CODAT              / RATE_LIMIT       rate_limits.py
    CODAT              / PRODUCTS         product_registry.py
    CODAT              / CLIENT           client_checks.py
    PARKED             / {webhook-id}     parking.py, with `expires_at` (TTL)
    CODAT              / MIGRATION        migrations.py, which migration was started last
    MIGRATION#{id}     / RUN, EPOCH, ENTRY#…, CHUNK#…   migrations.py
    CODAT              / RECONCILE        reconcile_runs.py, which run is the present one
    RECONCILE#{id}     / RUN              reconcile_runs.py, with `expires_at` (TTL)
    RECONCILE#{id}     / DRIFT#{step}     reconcile_runs.py, with `expires_at` (TTL)
    RECONCILE#{id}     / SEEN#{step}      reconcile_runs.py, with `expires_at` (TTL)
    REPLAY#{id}        / RUN              replays.py, with `expires_at` (TTL)

The index `gsi1` (keys only) lists items: `gsi1pk` is a group of them, `gsi1sk` the unique rank in
it. Big groups are spread over SHARDS partitions by the company:

    COMPANIES#{shard}           by company id   companies.py
    PRODUCT#{product}#{shard}   by company id   assignments.py
    MIGRATIONS                  by start        migrations.py
    RECONCILES                  by time         reconcile_runs.py
    DUE#{product}      by due time and company  tickets.py, the open ones
    RUNS               by slot and product      refresh_runs.py, the unfinished
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping

CODAT: Final = "CODAT"
SHARDS: Final = 8  # changing it means listing everything anew


class ItemKey(NamedTuple):
    pk: str
    sk: str


class Listed(NamedTuple):
    """Where the index lists an item: in which group, and its unique rank there."""

    group: str
    rank: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An item's attributes and version; version 0 is an item that is not there."""

    attributes: Mapping[str, Any]
    version: int


def shard_of(company_id: str) -> int:
    """Return the shard, from 0 to SHARDS - 1, that lists what is of this company."""
    return crc32(company_id.encode()) % SHARDS


def company_key(company_id: str, sort: str) -> ItemKey:
    return ItemKey(f"COMPANY#{company_id}", sort)


def spell(moment: datetime) -> str:
    """Spell an aware time so that it sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def spell_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else spell(moment)


def moment_or_none(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
