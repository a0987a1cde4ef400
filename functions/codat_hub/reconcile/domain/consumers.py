"""Compare Codat's webhook consumers with the consumers that the hub needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from codat_hub.products.domain.product import ProductKind
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.webhooks.hub_address import HUB_PATH
from codat_hub.webhooks.signing_secret import is_consumer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from codat_hub.products.domain.product import Product
    from codat_hub.reconcile.domain.observed import ObservedConsumer
    from codat_hub.webhooks.hub_address import HubAddress

PLAIN: Final = "read.completed"
# For the directory and the rate limiter; company.product.* may not exist (docs/codat.md, C29).
NEEDED: Final = (
    "client.rateLimit.reached",
    "client.rateLimit.reset",
    "company.created",
    "company.deleted",
    "connection.connected",
    "connection.created",
    "connection.deleted",
    "connection.disconnected",
    "connection.reconnected",
)
_MISSING: Final = {
    DriftKind.CONSUMER_MISSING,
    DriftKind.EVENT_UNSUBSCRIBED,
    DriftKind.SECRET_UNUSED,
}


def summary(
    consumers: Iterable[ObservedConsumer], hub: HubAddress, secrets: Collection[str]
) -> dict[str, dict[str, bool]]:
    """Return for each consumer whether Codat has it, sends to it, and its secret is stored.

    consumers: all of the Codat client's; only this hub's are in the summary
    secrets: names of the consumers whose signing secret is stored
    """
    found = {name: {"at_codat": False, "enabled": False, "secret": True} for name in secrets}
    for consumer in consumers:
        name = hub.consumer_of(consumer.url)
        if name is not None:
            known = found.setdefault(name, {"at_codat": True, "enabled": False, "secret": False})
            known["at_codat"] = True
            known["enabled"] = known["enabled"] or not consumer.disabled
    return dict(sorted(found.items()))


def check(
    consumers: Iterable[ObservedConsumer],
    hub: HubAddress,
    products: Iterable[Product],
    secrets: Collection[str],
    *,
    complete: bool = True,
) -> list[Drift]:
    """Return the drift of the Codat client's consumers.

    secrets: names of the consumers whose signing secret is stored
    complete: false if the list has consumers that cannot be read; then nothing counts as missing
    """
    ours: dict[str, list[ObservedConsumer]] = {}
    found: list[Drift] = []
    for consumer in sorted(consumers, key=lambda consumer: (consumer.url, consumer.consumer_id)):
        name = hub.consumer_of(consumer.url)
        if name is not None:
            ours.setdefault(name, []).append(consumer)
        elif HUB_PATH.search(urlsplit(consumer.url).path):
            text = "its URL is that of another hub"
            found.append(Drift(DriftKind.CONSUMER_ELSEWHERE, text, subject=consumer.url))
    every = [consumer for named in ours.values() for consumer in named]
    found += _disabled(every)
    found += _doubled(every)
    found += _unsubscribed(every, products)
    found += _secrets(ours, secrets)
    return [drift for drift in found if complete or drift.kind not in _MISSING]


def _disabled(ours: Iterable[ObservedConsumer]) -> Iterator[Drift]:
    for consumer in ours:
        if consumer.disabled:
            text = f"disabled, with {', '.join(consumer.event_types) or 'no event types'}"
            yield Drift(DriftKind.CONSUMER_DISABLED, text, subject=consumer.url)


def _doubled(ours: Iterable[ObservedConsumer]) -> Iterator[Drift]:
    """Name each base event that comes with its sub-events, by the same consumer or by several."""
    subscribed = {
        (kind, consumer.url)
        for consumer in ours
        if not consumer.disabled
        for kind in consumer.event_types
    }
    kinds = {kind for kind, _ in subscribed}
    for base in sorted(kind for kind in kinds if kind.endswith(PLAIN)):
        subs = sorted(kind for kind in kinds if kind.startswith(f"{base}."))
        if subs:
            urls = sorted({url for kind, url in subscribed if kind in {base, *subs}})
            text = f"{base} and {', '.join(subs)} at {', '.join(urls)}"
            yield Drift(DriftKind.CONSUMER_DOUBLED, text, subject=base)


def _unsubscribed(ours: Iterable[ObservedConsumer], products: Iterable[Product]) -> Iterator[Drift]:
    """Name the events that no consumer subscribes to; a disabled one has a drift of its own."""
    kinds = {kind for consumer in ours for kind in consumer.event_types}
    for product in products:
        custom = product.kind is ProductKind.CUSTOM
        base = f"{product.identifier}.{PLAIN}" if custom else PLAIN
        subs = {f"{base}.successful", f"{base}.unsuccessful"}
        if base not in kinds and not subs <= kinds:
            text = f"no consumer of the hub subscribes to {base}"
            yield Drift(DriftKind.CONSUMER_MISSING, text, product=product.identifier, subject=base)
    for needed in NEEDED:
        if needed not in kinds:
            text = f"no consumer of the hub subscribes to {needed}"
            yield Drift(DriftKind.EVENT_UNSUBSCRIBED, text, subject=needed)


def _secrets(ours: dict[str, list[ObservedConsumer]], secrets: Collection[str]) -> Iterator[Drift]:
    for name, consumers in sorted(ours.items()):
        if name not in secrets:
            text = (
                f"no signing secret is stored for {name}"
                if is_consumer(name)
                else "its URL does not end in a valid consumer name: a-z, 0-9 and - only"
            )
            yield Drift(DriftKind.SECRET_MISSING, text, subject=consumers[0].url)
    for name in sorted(set(secrets) - ours.keys()):
        yield Drift(
            DriftKind.SECRET_UNUSED, f"no consumer at Codat has the name {name}", subject=name
        )
