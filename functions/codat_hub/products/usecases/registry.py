"""Register products: change the registry, all or nothing, then match the schedules to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.errors import Absent, Conflict, Invalid, Problem
from codat_hub.products.domain.product_rules import (
    MOST_PRODUCTS,
    product_problems,
    registry_problems,
    too_many,
)
from codat_hub.products.ports import Matched
from codat_hub.storage.found import named
from codat_hub.storage.update import update
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from codat_hub.products.domain.product import Product
    from codat_hub.products.ports import Products, Schedules
    from codat_hub.storage.found import Found

_MOST_COUNTED: Final = 100  # companies with a product that is to be removed
_FIELDS: Final = ("kind", "name", "data_types", "schedule", "team", "consent_text_version")


@dataclass(frozen=True, slots=True)
class Change:
    """A product's change: added, changed (with its fields), removed or unchanged."""

    product: str
    change: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The changes of a registry.

    warnings: sentences about the changes that a person should know
    scheduled: the products whose schedule changed
    """

    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    scheduled: tuple[str, ...] = ()

    @property
    def altered(self) -> list[Change]:
        """The changes that are not `unchanged`."""
        return [change for change in self.changes if change.change != "unchanged"]


class _Plan(NamedTuple):
    wanted: Mapping[str, Product]
    applied: Applied


class Registry:
    """The registry and its changes. Raises Invalid, Absent, Conflict, Unavailable."""

    def __init__(
        self, store: Products, schedules: Schedules, companies_with: Callable[[str, int], int]
    ) -> None:
        """Take the registry, its schedules, and a count of companies that have a product.

        companies_with: counts those that soon will have it too, up to a number
        """
        self._store = store
        self._schedules = schedules
        self._companies_with = companies_with

    def products(self) -> Found[str, Product]:
        """Return the registered products by identifier."""
        return self._store.read()[0]

    def product(self, identifier: str) -> Product:
        """Return one registered product."""
        return registered(self.products(), identifier)

    def apply(self, products: Sequence[Product], by: str, *, dry_run: bool = False) -> Applied:
        """Make these the whole registry; `dry_run` returns the changes and makes none."""
        if problems := registry_problems(products):
            raise Invalid(*problems)
        wanted = {product.identifier: product for product in products}
        return self._change(lambda _known: wanted, by, wanted, dry_run=dry_run)

    def put(self, product: Product, by: str) -> Applied:
        """Register or change one product; the others stay as they are."""
        if problems := product_problems(product):
            raise Invalid(*problems)

        def with_it(known: Mapping[str, Product]) -> dict[str, Product]:
            wanted = {**known, product.identifier: product}
            if len(wanted) > max(MOST_PRODUCTS, len(known)):
                raise Invalid(*too_many(len(wanted)))
            return wanted

        return self._change(with_it, by, {product.identifier})

    def remove(self, identifier: str, by: str) -> Applied:
        """Unregister a product that no company has."""

        def without(known: Found[str, Product]) -> dict[str, Product]:
            registered(known, identifier)
            return {name: product for name, product in known.items() if name != identifier}

        return self._change(without, by, {identifier})

    def _change(
        self,
        change: Callable[[Found[str, Product]], Mapping[str, Product]],
        by: str,
        subjects: Collection[str],
        *,
        dry_run: bool = False,
    ) -> Applied:
        """Change the registry, then match the schedules to it, which a repeat does again.

        subjects: the products that the request is about. Raises Conflict if AWS refuses the
            schedule of one of them; another product's refusal is a warning.
        """

        def plan() -> tuple[_Plan, int]:
            known, version = self._store.read()
            wanted = change(known)
            _refuse_losing(known, wanted)
            applied = difference(known, wanted)
            self._refuse_removing_what_companies_have(applied)
            return _Plan(wanted, applied), version

        def altered(plan: _Plan) -> _Plan | None:
            return plan if plan.applied.altered and not dry_run else None

        def write(plan: _Plan, version: int) -> bool:
            return self._store.replace(plan.wanted.values(), version, by)

        (_, applied), _ = update(plan, altered, write, "the registry")
        if dry_run:
            return applied
        for done in applied.altered:
            logger.info("product registered", product=done.product, change=done.change, by=by)
        return self._scheduled(applied, subjects)

    def _scheduled(self, applied: Applied, subjects: Collection[str]) -> Applied:
        matched = self._match_schedules()
        _refuse_unscheduled(
            {name: matched.refused[name] for name in matched.refused if name in subjects}
        )
        warnings = (
            f"{name}: EventBridge Scheduler refuses its schedule, so its schedule is as it was"
            f" before. AWS said: {words}"
            for name, words in matched.refused.items()
        )
        return replace(applied, scheduled=matched.changed, warnings=(*applied.warnings, *warnings))

    def _refuse_removing_what_companies_have(self, applied: Applied) -> None:
        removed = [done.product for done in applied.changes if done.change == "removed"]
        problems = [
            Problem(product, f"{_counted(count)} have this product", allowed="remove it from them")
            for product in removed
            if (count := self._companies_with(product, _MOST_COUNTED))
        ]
        if problems:
            raise Conflict(
                "Products that companies have cannot be unregistered: remove them from those "
                "companies first, with `tools/hub companies remove-product`. Nothing was changed.",
                *problems,
            )

    def _match_schedules(self) -> Matched:
        """Match the schedules to the registry, again if it changed meanwhile."""
        changed: dict[str, None] = {}  # in order, each product once

        def match(known: Mapping[str, Product]) -> Matched:
            wanted = {name: product.schedule for name, product in known.items() if product.schedule}
            matched = self._schedules.match(wanted)
            changed.update(dict.fromkeys(matched.changed))
            return matched

        def still_the_same(_matched: Matched, version: int) -> bool:
            return self._store.read()[1] == version

        matched = update(self._store.read, match, still_the_same, "the registry").after
        return Matched(tuple(changed), matched.refused if matched else {})


def _counted(companies: int) -> str:
    more = " or more" if companies == _MOST_COUNTED else ""
    return f"{companies}{more} companies"


def _refuse_unscheduled(refused: Mapping[str, str]) -> None:
    """Raise Conflict if AWS refuses schedules of the products that a request is about."""
    if refused:
        raise Conflict(
            "EventBridge Scheduler refuses these schedules, so they are as they were before. "
            "Everything else is applied. Correct them, then apply them again: "
            "`tools/hub products apply`.",
            *(Problem(f"{name}.schedule", words) for name, words in sorted(refused.items())),
        )


def _refuse_losing(known: Found[str, Product], wanted: Mapping[str, Product]) -> None:
    """Raise Conflict if a product that cannot be read would drop out of the registry."""
    lost = sorted(known.unreadable - wanted.keys())
    if lost:
        raise Conflict(
            "Registered products cannot be read. Apply a file that has them, which writes them "
            "again: `tools/hub products apply`. Nothing was changed.",
            *(Problem(product, "cannot be read") for product in lost),
        )


def difference(known: Mapping[str, Product], wanted: Mapping[str, Product]) -> Applied:
    """Return the changes from one registry to another, by product, with warnings."""
    changes = [
        _change_of(name, known.get(name), wanted.get(name)) for name in sorted({*known, *wanted})
    ]
    return Applied(tuple(changes), tuple(_warnings(known, wanted)))


def _change_of(name: str, before: Product | None, after: Product | None) -> Change:
    if after is None:
        return Change(name, "removed")
    if before is None:
        return Change(name, "added")
    fields = tuple(field for field in _FIELDS if getattr(before, field) != getattr(after, field))
    return Change(name, "changed" if fields else "unchanged", fields)


def _warnings(known: Mapping[str, Product], wanted: Mapping[str, Product]) -> Iterable[str]:
    for name in sorted({*known} & {*wanted}):
        before = known[name].data_types
        more = [data_type for data_type in wanted[name].data_types if data_type not in before]
        if more:
            yield (
                f"{name} reads more: {', '.join(more)}. A company whose consent does not cover "
                "that is not refreshed until a new consent is recorded."
            )


def registered(products: Found[str, Product], identifier: str) -> Product:
    """Return a product of the registry. Raises Absent for an unregistered one, and Unreadable."""
    product = named(products, identifier)
    if product is None:
        raise Absent(
            f"No product {identifier!r} is registered. `tools/hub products list` shows the"
            " registered ones."
        )
    return product
