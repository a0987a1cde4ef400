"""Codat's webhook consumers against what the hub needs of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from codat_hub.products.domain.product import ProductKind
from codat_hub.reconcile.domain.drift import Drift, DriftKind
from codat_hub.webhooks.signing_secret import is_consumer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from codat_hub.products.domain.product import Product
    from codat_hub.reconcile.domain.observed import ObservedConsumer

PLAIN: Final = "read.completed"
# What keeps the directory and the breaker up to date; company.product.* may not exist.
# Source: docs/codat.md, C29.
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
_HUB_PATH: Final = re.compile(r"/webhooks/codat/(?P<name>[^/]+)/?$")


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where this hub receives webhooks: its API's id, and the domain it is reached by, if any."""

    api_id: str
    domain: str = ""

    def consumer_of(self, url: str) -> str | None:
        """Return the consumer's name in a URL of this hub; None for any other URL."""
        parts = urlsplit(url)
        path = _HUB_PATH.search(parts.path)
        # AWS has the API's id in the host's name, the emulator in the path
        at_api = self.api_id in {*(parts.hostname or "").split("."), *parts.path.split("/")}
        at_domain = bool(self.domain) and parts.hostname == self.domain.lower()
        return path["name"] if path and (at_api or at_domain) else None


def summary(
    consumers: Iterable[ObservedConsumer], hub: HubAddress, secrets: Collection[str]
) -> dict[str, dict[str, bool]]:
    """Return per consumer's name whether Codat has it, sends to it, and its secret is stored."""
    found = {name: {"at_codat": False, "enabled": False, "secret": True} for name in secrets}
    for one in consumers:
        name = hub.consumer_of(one.url)
        if name is not None:
            known = found.setdefault(name, {"at_codat": True, "enabled": False, "secret": False})
            known["at_codat"] = True
            known["enabled"] = known["enabled"] or not one.disabled
    return dict(sorted(found.items()))


def looks_like_a_hub(url: str) -> bool:
    return _HUB_PATH.search(urlsplit(url).path) is not None


def check(
    consumers: Iterable[ObservedConsumer],
    hub: HubAddress,
    products: Iterable[Product],
    secrets: Collection[str],
) -> list[Drift]:
    """Compare them. `secrets`: names of the consumers that have a signing secret stored."""
    ours: dict[str, list[ObservedConsumer]] = {}
    found: list[Drift] = []
    for one in sorted(consumers, key=lambda one: (one.url, one.consumer_id)):
        name = hub.consumer_of(one.url)
        if name is not None:
            ours.setdefault(name, []).append(one)
        elif looks_like_a_hub(one.url):
            text = "its URL is of another hub"
            found.append(Drift(DriftKind.CONSUMER_ELSEWHERE, text, subject=one.url))
    every = [one for named in ours.values() for one in named]
    found += _disabled(every)
    found += _doubled(every)
    found += _unsubscribed(every, products)
    found += _secrets(ours, secrets)
    return found


def _disabled(ours: Iterable[ObservedConsumer]) -> Iterator[Drift]:
    for one in ours:
        if one.disabled:
            text = f"disabled, with {', '.join(one.event_types) or 'no event types'}"
            yield Drift(DriftKind.CONSUMER_DISABLED, text, subject=one.url)


def _doubled(ours: Iterable[ObservedConsumer]) -> Iterator[Drift]:
    """Say which base events come together with sub-events, in whatever consumers."""
    subscribed = {(kind, one.url) for one in ours if not one.disabled for kind in one.event_types}
    kinds = {kind for kind, _ in subscribed}
    for base in sorted(kind for kind in kinds if kind.endswith(PLAIN)):
        subs = sorted(kind for kind in kinds if kind.startswith(f"{base}."))
        if subs:
            urls = sorted({url for kind, url in subscribed if kind in {base, *subs}})
            text = f"{base} and {', '.join(subs)} at {', '.join(urls)}"
            yield Drift(DriftKind.CONSUMER_DOUBLED, text, subject=base)


def _unsubscribed(ours: Iterable[ObservedConsumer], products: Iterable[Product]) -> Iterator[Drift]:
    """Name the reads that reach nobody here; a disabled consumer has a drift of its own."""
    kinds = {kind for one in ours for kind in one.event_types}
    for product in products:
        custom = product.kind is ProductKind.CUSTOM
        base = f"{product.identifier}.{PLAIN}" if custom else PLAIN
        subs = {f"{base}.successful", f"{base}.unsuccessful"}
        if base not in kinds and not subs <= kinds:
            text = f"no consumer of the hub has subscribed to {base}"
            yield Drift(DriftKind.CONSUMER_MISSING, text, product=product.identifier, subject=base)
    for needed in NEEDED:
        if needed not in kinds:
            text = f"no consumer of the hub has subscribed to {needed}"
            yield Drift(DriftKind.EVENT_UNSUBSCRIBED, text, subject=needed)


def _secrets(ours: dict[str, list[ObservedConsumer]], secrets: Collection[str]) -> Iterator[Drift]:
    for name, consumers in sorted(ours.items()):
        if name not in secrets:
            text = (
                f"no signing secret is stored for {name}"
                if is_consumer(name)
                else "its name can be no consumer's: a-z, 0-9 and - only"
            )
            yield Drift(DriftKind.SECRET_MISSING, text, subject=consumers[0].url)
    for name in sorted(set(secrets) - ours.keys()):
        yield Drift(
            DriftKind.SECRET_UNUSED, f"no consumer at Codat has the name {name}", subject=name
        )
