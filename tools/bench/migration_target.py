"""A migration's target state, computed from the state before, without the hub's code."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tools.bench.own_stack import companies

type Json = dict[str, Any]

OFF: Final = 0  # the sandbox's own value for a data type that is off
_CUSTOM: Final = frozenset({"invoice-finance", "cashflow-insights"})
_PLAIN_READS: Final = "read.completed"


@dataclass(frozen=True)
class Consumer:
    """A webhook consumer without its id, which the API never gives twice."""

    url: str
    event_types: tuple[str, ...]
    tags: tuple[str, ...] = ()
    disabled: bool = False


@dataclass(frozen=True)
class CodatNow:
    """Everything that a migration may change: settings, consumers by id, companies' products."""

    client: Json
    overrides: Mapping[str, Json]
    consumers: Mapping[str, Consumer]
    products: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, codat: httpx.Client) -> "CodatNow":
        found = list(companies(codat))
        ids = [company["id"] for company in found]
        return cls(
            _get(codat, "/profile/syncSettings"),
            {
                company_id: _get(codat, f"/companies/{company_id}/syncSettings")
                for company_id in ids
            },
            {
                consumer["id"]: _consumer(consumer)
                for consumer in _get(codat, "/webhooks")["results"]
            },
            {company["id"]: tuple(sorted(company["products"])) for company in found},
        )

    @property
    def anonymous(self) -> list[Consumer]:
        """Return the consumers without their ids, sorted."""
        return sorted(self.consumers.values(), key=repr)

    def differences(self, other: "CodatNow") -> list[str]:
        """Return a text for each difference; consumers' ids do not count."""
        found = ["the client's settings"] if self.client != other.client else []
        found += [
            f"settings of {company}" for company in _differing(self.overrides, other.overrides)
        ]
        found += [f"products of {company}" for company in _differing(self.products, other.products)]
        if self.anonymous != other.anonymous:
            found.append("consumers")
        return found


def switched_off(settings: Json) -> Json:
    """Return settings with every schedule off, and everything else unchanged."""
    return {
        **settings,
        "settings": [
            {
                **setting,
                "syncSchedule": OFF if setting["syncSchedule"] > 0 else setting["syncSchedule"],
            }
            for setting in settings["settings"]
        ],
    }


def target_of(
    before: CodatNow, migration: str, wanted: Mapping[str, Iterable[str]], mode: str, hub_url: str
) -> CodatNow:
    """Return the state that a complete migration must leave.

    wanted: by company, the products of the run with the customer's consent
    hub_url: the hub's webhook URL, up to a consumer's name
    """
    old = {consumer_id: c for consumer_id, c in before.consumers.items() if _is_old(c)}
    gone = {} if mode == "api" else {consumer_id: _disabled(c) for consumer_id, c in old.items()}
    kept = {consumer_id: c for consumer_id, c in before.consumers.items() if consumer_id not in old}
    brought = {kind for c in kept.values() if c.url.startswith(hub_url) for kind in c.event_types}
    products = {product for each in wanted.values() for product in each}
    needed = {hub_consumer_of(product): event_type_of(product) for product in products}
    needed = {name: kind for name, kind in needed.items() if kind not in brought}
    return CodatNow(
        switched_off(before.client),
        {company_id: switched_off(settings) for company_id, settings in before.overrides.items()},
        {**kept, **gone, **_new(old.values(), needed, f"?migration={migration}", hub_url)},
        {
            company_id: tuple(sorted({*had, *wanted.get(company_id, ())}))
            for company_id, had in before.products.items()
        },
    )


def event_type_of(product: str) -> str:
    """Return the event type of a product's reads."""
    return f"{product}.{_PLAIN_READS}" if product in _CUSTOM else _PLAIN_READS


def hub_consumer_of(product: str) -> str:
    """Return the name of the hub's consumer that a migration creates for a product."""
    return product if product in _CUSTOM else "standard"


def _new(
    old: Iterable[Consumer], needed: Mapping[str, str], mark: str, hub_url: str
) -> dict[str, Consumer]:
    """Return a consumer for each missing event type, and successors of the old consumers."""
    made = [Consumer(f"{hub_url}/{name}{mark}", (kind,)) for name, kind in needed.items()]
    carried = (
        (consumer, tuple(k for k in consumer.event_types if not _is_plain_read(k)))
        for consumer in old
    )
    made += [
        Consumer(f"{consumer.url}{mark}", kinds, consumer.tags)
        for consumer, kinds in carried
        if kinds
    ]
    return {f"new {number}": consumer for number, consumer in enumerate(made)}


def _is_plain_read(event_type: str) -> bool:
    return event_type == _PLAIN_READS or event_type.startswith(f"{_PLAIN_READS}.")


def _is_old(consumer: Consumer) -> bool:
    return any(map(_is_plain_read, consumer.event_types))


def _disabled(consumer: Consumer) -> Consumer:
    return Consumer(consumer.url, consumer.event_types, consumer.tags, disabled=True)


def _consumer(consumer: Json) -> Consumer:
    tags = consumer.get("companyTags") or ()
    return Consumer(
        consumer["url"], tuple(consumer["eventTypes"]), tuple(tags), consumer["disabled"]
    )


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    every = sorted(ours.keys() | theirs.keys())
    return [key for key in every if json.dumps(ours.get(key)) != json.dumps(theirs.get(key))]


def _get(codat: httpx.Client, path: str) -> Json:
    found: Json = codat.get(path).raise_for_status().json()
    return found
