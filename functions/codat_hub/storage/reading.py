"""Items of the State table that cannot be read: logged by key, counted, and nobody else's trouble.

A version of the hub before or after this one may have written them, or somebody by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from codat_hub.errors import Unreadable
from codat_hub.storage.found import Found
from codat_hub.telemetry import logger, metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.storage.items import ItemKey, Stored


def read[**P, T](item: str, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Make of an item what it stands for. Raises Unreadable, whatever is wrong with it."""
    try:
        return make(*args, **kwargs)
    except Exception as fault:
        # what it holds is not repeated: the key is enough to look it up
        logger.error("item cannot be read", item=item, fault=type(fault).__name__)
        metrics.add_metric("item_unreadable", MetricUnit.Count, 1)
        raise Unreadable(f"{item} cannot be read") from fault


def read_each[K, T](
    keys: Mapping[ItemKey, K], found: Mapping[ItemKey, Stored], make: Callable[[K, Stored], T]
) -> Found[K, T]:
    """Make of each item what it stands for; `keys`: what the caller calls it."""
    readable: dict[K, T] = {}
    unreadable = []
    for key, stored in found.items():
        try:
            readable[keys[key]] = read(spelt(key), _versioned, make, keys[key], stored)
        except Unreadable:
            unreadable.append(keys[key])
    return Found(readable, unreadable)


def spelt(key: ItemKey) -> str:
    return f"{key.pk} / {key.sk}"


def _versioned[K, T](make: Callable[[K, Stored], T], name: K, stored: Stored) -> T:
    if not stored.version:
        raise ValueError("an item without a version is none of the hub's")
    return make(name, stored)
