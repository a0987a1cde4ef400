"""Webhook consumers at Codat: which of them are old, and which ones a migration creates.

The API lists, creates and deletes consumers and never shows a secret (docs/codat.md, C42). So the
URL of a created consumer carries the migration's id: a retry and the undo find it by that mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from codat_hub.webhooks.signing_secret import is_consumer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from codat_hub.webhooks.hub_address import HubAddress

MOST_CONSUMERS: Final = 50  # per client (docs/codat.md, C42)
_READ: Final = re.compile(r"read\.completed(\.(initial|successful|unsuccessful))*")
# Names of the same events in the rules from before 2025 (docs/codat.md, C32).
_LEGACY_READS: Final = frozenset(
    {
        "DataSyncCompleted",
        "DatasetDataChanged",
        "DataSyncStatusChangedToError",
        "NewCompanySynchronized",
        "SyncCompleted",
        "SyncFailed",
    }
)
SUCCESSOR: Final = "successor-"  # begins the name of a consumer that takes over; its id follows
_MARK: Final = re.compile(r"[?&]migration=(m-[0-9a-z-]+)(?:&|$)")


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer as Codat lists it. `tags`: its filter, `name:value` each (docs/codat.md, C44)."""

    consumer_id: str
    url: str
    event_types: tuple[str, ...]
    tags: tuple[str, ...] = ()
    disabled: bool = False

    @classmethod
    def from_ledger(cls, saved: Mapping[str, Any]) -> Consumer:
        """Return the consumer that the ledger keeps as JSON."""
        event_types, tags = tuple(saved["event_types"]), tuple(saved["tags"])
        return cls(**{**saved, "event_types": event_types, "tags": tags})

    def same_as(self, other: Consumer) -> bool:
        """Tell whether both get the same events; ids and the order of types may differ."""
        return (self.url, set(self.event_types), set(self.tags), self.disabled) == (
            other.url,
            set(other.event_types),
            set(other.tags),
            other.disabled,
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A consumer to create. `hub_consumer`: its name at the hub, None if it posts elsewhere."""

    name: str
    url: str
    event_types: tuple[str, ...]
    tags: tuple[str, ...] = ()
    hub_consumer: str | None = None

    @property
    def is_successor(self) -> bool:
        """Whether it takes over the other events of an old consumer."""
        return self.name.startswith(SUCCESSOR)


def is_read_type(event_type: str) -> bool:
    """Tell whether an event type is a client-level read, by its new or its legacy name.

    The type of a custom product (`{product}.read.completed`) is none: it stays after a migration.
    """
    return event_type in _LEGACY_READS or _READ.fullmatch(event_type) is not None


def migration_in(url: str) -> str | None:
    """Return the id of the migration that created the consumer of this URL, None if none did."""
    mark = _MARK.search(url)
    return mark[1] if mark else None


def is_old(consumer: Consumer) -> bool:
    """Tell whether a consumer gets client-level reads and was not created by a migration."""
    return migration_in(consumer.url) is None and any(map(is_read_type, consumer.event_types))


def carried(consumer: Consumer) -> tuple[str, ...]:
    """Return the other event types of an old consumer; its receiver must go on getting them."""
    return tuple(event for event in consumer.event_types if not is_read_type(event))


def wanted(
    migration_id: str,
    old: Iterable[Consumer],
    present: Sequence[Consumer],
    *,
    custom: Iterable[str],
    standard: bool,
    hub: HubAddress,
) -> tuple[Wanted, ...]:
    """Return the consumers to create: the hub's for the products, and successors of old ones.

    old: consumers that this run switches off
    present: all consumers at Codat
    custom: custom products of the run; each needs `{product}.read.completed` at the hub
    standard: whether plain `read.completed` must come to the hub, for standard products
    """
    old = list(old)
    replaced = {consumer.consumer_id for consumer in old}
    kept = [
        consumer
        for consumer in present
        if consumer.consumer_id not in replaced and not consumer.disabled
    ]
    needs = {product: f"{product}.read.completed" for product in custom}
    if standard:
        needs["standard"] = "read.completed"
    return (
        *_for_products(migration_id, needs, kept, hub),
        *(_successor(migration_id, consumer, hub) for consumer in old if carried(consumer)),
    )


def _for_products(
    migration_id: str, needs: Mapping[str, str], kept: Sequence[Consumer], hub: HubAddress
) -> Iterator[Wanted]:
    """Yield a consumer of the hub for each event type that no kept consumer brings to it."""
    names: set[str] = set()
    for product, event_type in needs.items():
        if not any(_brings(consumer, event_type, hub) for consumer in kept):
            name = _hub_name(product, names)
            names.add(name)
            url = _marked(hub.of(name), migration_id)
            yield Wanted(f"product-{product}", url, (event_type,), (), name)


def _successor(migration_id: str, consumer: Consumer, hub: HubAddress) -> Wanted:
    """Return the consumer that takes over the other event types of an old one."""
    return Wanted(
        f"{SUCCESSOR}{consumer.consumer_id}",
        _marked(consumer.url, migration_id),
        carried(consumer),
        consumer.tags,
        hub_consumer_of(consumer.url, hub),
    )


def hub_consumer_of(url: str, hub: HubAddress) -> str | None:
    """Return the consumer's name at the hub, None for a URL that the hub does not accept."""
    name = hub.consumer_of(url)
    return name if name is not None and is_consumer(name) else None


def shown(url: str) -> str:
    """Return a URL without anything that may be a credential.

    User, password and query are left out; the mark of a migration stays.
    """
    parts = urlsplit(url)
    mark = migration_in(url)
    query = f"migration={mark}" if mark else "…" if parts.query else ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def _brings(consumer: Consumer, event_type: str, hub: HubAddress) -> bool:
    """Tell whether the hub gets all events of this type by this consumer."""
    at_hub = hub_consumer_of(consumer.url, hub) is not None
    return at_hub and event_type in consumer.event_types and not consumer.tags


def _marked(url: str, migration_id: str) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}migration={migration_id}"


def _hub_name(product: str, taken: set[str]) -> str:
    """Return a name that the webhooks API accepts: the product's own wherever it is valid."""
    name = re.sub(r"[^a-z0-9]+", "-", product.lower()).strip("-")[:60] or "product"
    while name in taken:
        name = f"{name[:58]}-2"
    return name
