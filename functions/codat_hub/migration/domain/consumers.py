"""Webhook consumers at Codat: which are of the old world, and which the new one needs.

The API can list, create and delete them, and never shows a secret (docs/codat.md, C42).
So a created consumer's URL carries the migration's id, by which it is found again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from codat_hub.webhooks.signing_secret import is_consumer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_CONSUMERS: Final = 50  # per client (docs/codat.md, C42)
_READ: Final = re.compile(r"read\.completed(\.(initial|successful|unsuccessful))*")
# What the rules of before 2025 called the same (docs/codat.md, C32).
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
_MARK: Final = re.compile(r"[?&]migration=(m-[0-9a-z-]+)(?:&|$)")


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer as Codat lists it. `tags`: its filter, `name:value` each (docs/codat.md, C44)."""

    consumer_id: str
    url: str
    event_types: tuple[str, ...]
    tags: tuple[str, ...] = ()
    disabled: bool = False

    def same_as(self, other: Consumer) -> bool:
        """Tell whether both receive the same; the id may differ, and so may the order."""
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


def is_read_type(event_type: str) -> bool:
    """Tell whether an event type is a client-level read, by its new or its legacy name.

    One of a custom product (`{product}.read.completed`) is not: it belongs to the new world.
    """
    return event_type in _LEGACY_READS or _READ.fullmatch(event_type) is not None


def migration_in(url: str) -> str | None:
    """Return the migration that created the consumer of this URL, if one did."""
    found = _MARK.search(url)
    return found[1] if found else None


def is_old(consumer: Consumer) -> bool:
    """Tell whether a consumer is of the old configuration: those of migrations never are."""
    return migration_in(consumer.url) is None and any(map(is_read_type, consumer.event_types))


def carried(consumer: Consumer) -> tuple[str, ...]:
    """Return the other types of an old consumer, which somebody must go on receiving."""
    return tuple(one for one in consumer.event_types if not is_read_type(one))


def wanted(
    migration_id: str,
    old: Iterable[Consumer],
    present: Sequence[Consumer],
    *,
    custom: Iterable[str],
    standard: bool,
    hub_url: str,
) -> tuple[Wanted, ...]:
    """Return what to create: the hub's for the products, successors for what old ones carry.

    custom: custom products of the run that need `{product}.read.completed` at the hub; one that an
    enabled consumer of the hub brings already, unfiltered, needs nothing
    standard: plain `read.completed` goes to the hub too, as standard products say nothing else
    hub_url: of the webhooks API, up to the consumer's name
    old: those that will be switched off by this run
    """
    made = []
    replaced = {one.consumer_id for one in old}
    kept = [one for one in present if one.consumer_id not in replaced and not one.disabled]
    names: set[str] = set()
    needs = {product: f"{product}.read.completed" for product in custom}
    if standard:
        needs["standard"] = "read.completed"
    for product, event_type in needs.items():
        if not any(_brings(one, event_type, hub_url) for one in kept):
            name = _hub_name(product, names)
            names.add(name)
            url = _marked(f"{hub_url}/{name}", migration_id)
            made.append(Wanted(f"product-{product}", url, (event_type,), (), name))
    for one in old:  # a loop reads better than a comprehension of this length
        if types := carried(one):
            made.append(  # noqa: PERF401  # as a comprehension it is a riddle
                Wanted(
                    f"successor-{one.consumer_id}",
                    _marked(one.url, migration_id),
                    types,
                    one.tags,
                    hub_consumer_of(one.url, hub_url),
                )
            )
    return tuple(made)


def hub_consumer_of(url: str, hub_url: str) -> str | None:
    """Return the consumer's name at the hub, None for a URL that is somebody else's."""
    path = url.partition("?")[0]
    name = path.removeprefix(f"{hub_url}/")
    return name if name != path and is_consumer(name) else None


def shown(url: str) -> str:
    """Return a URL without what may be a credential: user, password, the query but our mark."""
    parts = urlsplit(url)
    mark = migration_in(url)
    query = f"migration={mark}" if mark else "…" if parts.query else ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def _brings(consumer: Consumer, event_type: str, hub_url: str) -> bool:
    at_hub = hub_consumer_of(consumer.url, hub_url) is not None
    return at_hub and event_type in consumer.event_types and not consumer.tags


def _marked(url: str, migration_id: str) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}migration={migration_id}"


def _hub_name(product: str, taken: set[str]) -> str:
    """Return a name that the webhooks API takes; a product's own wherever it is one."""
    name = re.sub(r"[^a-z0-9]+", "-", product.lower()).strip("-")[:60] or "product"
    while name in taken:
        name = f"{name[:58]}-2"
    return name
