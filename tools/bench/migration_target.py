"""What a migration has to leave behind, reckoned from what was there, by none of the hub's code."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tools.bench.own_stack import companies

type Json = dict[str, Any]

OFF: Final = 0  # what the sandbox's own client settings use for a data type that is off
_CUSTOM: Final = frozenset({"invoice-finance", "cashflow-insights"})
_PLAIN_READS: Final = "read.completed"


@dataclass(frozen=True)
class Consumer:
    """A webhook consumer without its id, which the API never gives a second time."""

    url: str
    event_types: tuple[str, ...]
    tags: tuple[str, ...] = ()
    disabled: bool = False


@dataclass(frozen=True)
class CodatNow:
    """Settings, consumers by id, products of each company: all that a migration may touch."""

    client: Json
    overrides: Mapping[str, Json]
    consumers: Mapping[str, Consumer]
    products: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, codat: httpx.Client) -> "CodatNow":
        found = list(companies(codat))
        ids = [one["id"] for one in found]
        return cls(
            _get(codat, "/profile/syncSettings"),
            {one: _get(codat, f"/companies/{one}/syncSettings") for one in ids},
            {one["id"]: _consumer(one) for one in _get(codat, "/webhooks")["results"]},
            {one["id"]: tuple(sorted(one["products"])) for one in found},
        )

    @property
    def anonymous(self) -> list[Consumer]:
        """Return the consumers without their ids, in an order of their own."""
        return sorted(self.consumers.values(), key=repr)

    def differences(self, other: "CodatNow") -> list[str]:
        """Return what is not the same, one text each; ids of consumers do not count."""
        said = ["the client's settings"] if self.client != other.client else []
        said += [f"settings of {one}" for one in _differing(self.overrides, other.overrides)]
        said += [f"products of {one}" for one in _differing(self.products, other.products)]
        if self.anonymous != other.anonymous:
            said.append("consumers")
        return said


def switched_off(settings: Json) -> Json:
    """Return settings with every schedule off, and nothing else changed."""
    return {
        **settings,
        "settings": [
            {**one, "syncSchedule": OFF if one["syncSchedule"] > 0 else one["syncSchedule"]}
            for one in settings["settings"]
        ],
    }


def target_of(
    before: CodatNow, migration: str, wanted: Mapping[str, Iterable[str]], mode: str, hub_url: str
) -> CodatNow:
    """Return what has to be there when it is complete.

    wanted: by company, the products of the run that its customer has agreed to
    hub_url: of the hub's webhooks, up to a consumer's name
    """
    old = {one: c for one, c in before.consumers.items() if _is_old(c)}
    gone = {} if mode == "api" else {one: _disabled(c) for one, c in old.items()}
    kept = {one: c for one, c in before.consumers.items() if one not in old}
    brought = {kind for c in kept.values() if c.url.startswith(hub_url) for kind in c.event_types}
    products = {product for each in wanted.values() for product in each}
    needed = {hub_consumer_of(one): event_type_of(one) for one in products}
    needed = {name: kind for name, kind in needed.items() if kind not in brought}
    return CodatNow(
        switched_off(before.client),
        {one: switched_off(settings) for one, settings in before.overrides.items()},
        {**kept, **gone, **_new(old.values(), needed, f"?migration={migration}", hub_url)},
        {one: tuple(sorted({*had, *wanted.get(one, ())})) for one, had in before.products.items()},
    )


def event_type_of(product: str) -> str:
    """Return what a product's reads come as."""
    return f"{product}.{_PLAIN_READS}" if product in _CUSTOM else _PLAIN_READS


def hub_consumer_of(product: str) -> str:
    """Return the name of the hub's consumer that a migration creates for a product."""
    return product if product in _CUSTOM else "standard"


def _new(
    old: Iterable[Consumer], needed: Mapping[str, str], mark: str, hub_url: str
) -> dict[str, Consumer]:
    """A consumer for what no other brings to the hub, successors for what old ones carry."""
    made = [Consumer(f"{hub_url}/{name}{mark}", (kind,)) for name, kind in needed.items()]
    carried = ((one, tuple(k for k in one.event_types if not _is_plain_read(k))) for one in old)
    made += [Consumer(f"{one.url}{mark}", kinds, one.tags) for one, kinds in carried if kinds]
    return {f"new {number}": one for number, one in enumerate(made)}


def _is_plain_read(event_type: str) -> bool:
    return event_type == _PLAIN_READS or event_type.startswith(f"{_PLAIN_READS}.")


def _is_old(one: Consumer) -> bool:
    return any(map(_is_plain_read, one.event_types))


def _disabled(one: Consumer) -> Consumer:
    return Consumer(one.url, one.event_types, one.tags, disabled=True)


def _consumer(one: Json) -> Consumer:
    tags = one.get("companyTags") or ()
    return Consumer(one["url"], tuple(one["eventTypes"]), tuple(tags), one["disabled"])


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    every = sorted(ours.keys() | theirs.keys())
    return [one for one in every if json.dumps(ours.get(one)) != json.dumps(theirs.get(one))]


def _get(codat: httpx.Client, path: str) -> Json:
    found: Json = codat.get(path).raise_for_status().json()
    return found
