"""Which products the client has registered with the hub, in the State table: one item.

One item, so that a whole registry is applied or none of it; a hundred products take some 30 KB.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Unreadable
from codat_hub.products.domain.product import Kind, Product, Schedule
from codat_hub.storage.found import Found
from codat_hub.storage.items import CODAT, ItemKey
from codat_hub.storage.reading import read, spelt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from codat_hub.storage.state_table import StateTable

KEY: Final = ItemKey(CODAT, "PRODUCTS")
_MAX_AGE: Final = 60.0  # seconds


class ProductRegistry:
    """The item: `products`, identifier -> `{kind, name, data_types, schedule, team,

    consent_text_version}`; `schedule`: `{expression, timezone, enabled}`. `changed_by`: who last
    changed it, an ARN.
    """

    def __init__(
        self,
        table: StateTable,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_age: float = _MAX_AGE,
    ) -> None:
        """`max_age`: seconds that `products` and `kinds` may be old."""
        self._table = table
        self._max_age = max_age
        self._clock = clock
        self._known: Found[str, Product] = Found({})
        self._read_at = float("-inf")

    def products(self) -> Found[str, Product]:
        """Return them by identifier, at most `max_age` old. Raises Unavailable."""
        if self._clock() - self._read_at >= self._max_age:
            self._known, _ = self.read()
            self._read_at = self._clock()
        return self._known

    def kinds(self) -> Mapping[str, str]:
        """Return identifier -> kind, at most `max_age` old. Raises Unavailable."""
        return {identifier: one.kind.value for identifier, one in self.products().items()}

    def read(self) -> tuple[Found[str, Product], int]:
        """Return them as they are now, with the version for `replace`. Raises Unavailable."""
        stored = self._table.get(KEY)
        items = stored.attributes.get("products", {})
        readable, unreadable = {}, []
        for name in sorted(items):
            try:
                readable[name] = read(f"{spelt(KEY)}, {name}", _product, name, items[name])
            except Unreadable:
                unreadable.append(name)
        return Found(readable, unreadable), stored.version

    def replace(self, products: Iterable[Product], version: int, by: str | None = None) -> bool:
        """Make these the registry, if it still has the version that was read.

        Raises Unavailable, NeverProjected (over DynamoDB's 400 KB).
        """
        items = {one.identifier: _item(one) for one in products}
        replaced = self._table.put(KEY, {"products": items, "changed_by": by}, version)
        self._read_at = float("-inf")
        return replaced


def _item(product: Product) -> dict[str, Any]:
    schedule = product.schedule
    return {
        "kind": product.kind.value,
        "name": product.name,
        "data_types": list(product.data_types),
        "schedule": schedule
        and {
            "expression": schedule.expression,
            "timezone": schedule.timezone,
            "enabled": schedule.enabled,
        },
        "team": product.team,
        "consent_text_version": product.consent_text_version,
    }


def _product(identifier: str, item: Mapping[str, Any]) -> Product:
    return Product(
        identifier=identifier,
        kind=Kind(item["kind"]),
        name=item.get("name"),
        data_types=tuple(item.get("data_types", ())),
        schedule=item.get("schedule") and Schedule(**item["schedule"]),
        team=item.get("team"),
        consent_text_version=item.get("consent_text_version"),
    )
