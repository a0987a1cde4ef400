"""Register products: the registry first, all or nothing, then the schedules to match it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from codat_hub.errors import Absent, Conflict, Invalid, Problem, Unavailable
from codat_hub.products.domain.product_rules import product_problems, registry_problems
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from codat_hub.products.domain.product import Product, Schedule
    from codat_hub.storage.found import Found

_TRIES: Final = 5  # at a registry that somebody else keeps changing
_FIELDS: Final = ("kind", "name", "data_types", "schedule", "team", "consent_text_version")


class Store(Protocol):
    """The registry as it is kept."""

    def read(self) -> tuple[Found[str, Product], int]: ...
    def replace(self, products: Iterable[Product], version: int, by: str | None = None) -> bool: ...


class Schedules(Protocol):
    """Schedules that ask for refreshes, one per product that has one."""

    def match(self, wanted: Mapping[str, Schedule]) -> Sequence[str]:
        """Make these the schedules; return the products whose schedule changed by that.

        Raises Unavailable; calling it again finishes what is left.
        """
        ...


class Holders(Protocol):
    """Who has a product."""

    def count(self, product: str) -> int:
        """Return how many companies have it or are about to; the newest may be missing."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What applying does to one product: added, changed, removed or unchanged."""

    product: str
    change: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """`warnings`: what is allowed and yet worth knowing. `scheduled`: whose schedule changed."""

    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    scheduled: tuple[str, ...] = ()


class Registry:
    """Every change records who made it. Raises Invalid, Absent, Conflict, Unavailable."""

    def __init__(self, store: Store, schedules: Schedules, holders: Holders) -> None:
        self._store = store
        self._schedules = schedules
        self._holders = holders

    def products(self) -> Mapping[str, Product]:
        return self._store.read()[0]

    def product(self, identifier: str) -> Product:
        return _named(self.products(), identifier)

    def apply(self, products: Sequence[Product], by: str, *, dry_run: bool = False) -> Applied:
        """Make these the whole registry; `dry_run` only tells what that would change."""
        if problems := registry_problems(products):
            raise Invalid(*problems)
        wanted = {one.identifier: one for one in products}
        return self._change(lambda _known: wanted, by, dry_run)

    def put(self, product: Product, by: str) -> Applied:
        """Register one product, or change it; the others stay as they are."""
        if problems := product_problems(product):
            raise Invalid(*problems)
        return self._change(lambda known: {**known, product.identifier: product}, by)

    def remove(self, identifier: str, by: str) -> Applied:
        """Unregister a product that no company has."""

        def without(known: Mapping[str, Product]) -> dict[str, Product]:
            _named(known, identifier)
            return {name: one for name, one in known.items() if name != identifier}

        return self._change(without, by)

    def _change(
        self,
        change: Callable[[Mapping[str, Product]], Mapping[str, Product]],
        by: str,
        dry_run: bool = False,
    ) -> Applied:
        for _ in range(_TRIES):
            known, version = self._store.read()
            wanted = change(known)
            _refuse_losing(known, wanted)
            applied = difference(known, wanted)
            self._refuse_removing_what_companies_have(applied)
            if dry_run:
                return applied
            altered = any(one.change != "unchanged" for one in applied.changes)
            if altered and not self._store.replace(wanted.values(), version, by):
                continue  # somebody else was faster: look again
            for one in applied.changes:
                if one.change != "unchanged":
                    logger.info("product registered", product=one.product, change=one.change, by=by)
            return replace(applied, scheduled=self._match_schedules())
        raise Unavailable("the registry keeps being changed by somebody else")

    def _refuse_removing_what_companies_have(self, applied: Applied) -> None:
        removed = [one.product for one in applied.changes if one.change == "removed"]
        counts = {product: self._holders.count(product) for product in removed}
        problems = [
            Problem(product, f"{count} companies have this product", allowed="remove it from them")
            for product, count in counts.items()
            if count
        ]
        if problems:
            raise Conflict(
                "Products that companies have cannot be unregistered: remove them from those "
                "companies first. Nothing was changed.",
                *problems,
            )

    def _match_schedules(self) -> tuple[str, ...]:
        """Repeat it until the registry is the one that was matched, whoever else changes it."""
        changed: dict[str, None] = {}
        for _ in range(_TRIES):
            known, version = self._store.read()
            wanted = {name: one.schedule for name, one in known.items() if one.schedule}
            changed |= dict.fromkeys(self._schedules.match(wanted))
            if self._store.read()[1] == version:
                return tuple(changed)
        raise Unavailable("the registry keeps being changed by somebody else")


def _refuse_losing(known: Found[str, Product], wanted: Mapping[str, Product]) -> None:
    """A product that cannot be read is written anew, or nothing is; it never drops out unseen."""
    lost = sorted(known.unreadable - wanted.keys())
    if lost:
        raise Conflict(
            "Registered products cannot be read. Apply a registry that has them, which writes them "
            "anew. Nothing was changed.",
            *(Problem(one, "cannot be read") for one in lost),
        )


def difference(known: Mapping[str, Product], wanted: Mapping[str, Product]) -> Applied:
    """Return what changes from one registry to another, by product, and what to be warned of."""
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
        more = [one for one in wanted[name].data_types if one not in known[name].data_types]
        if more:
            yield (
                f"{name} reads more: {', '.join(more)}. Companies whose consent does not cover "
                "that are not refreshed until a new consent is recorded."
            )


def _named(products: Mapping[str, Product], identifier: str) -> Product:
    if identifier not in products:
        known = ", ".join(sorted(products)) or "none yet"
        raise Absent(f"No product {identifier!r} is registered. Registered are: {known}.")
    return products[identifier]
