"""The registered products, in one item of the State table.

With one item a registry is applied as a whole or not at all. A hundred products take about 30 KB.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Unreadable
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.storage.found import Found
from codat_hub.storage.items import CODAT, ItemKey, attributes
from codat_hub.storage.reading import key_text, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from codat_hub.storage.state_table import StateTable

KEY: Final = ItemKey(CODAT, "PRODUCTS")
_MAX_AGE: Final = 60.0  # seconds


class ProductStore:
    """The registry in the State table.

    The item: `products`: identifier -> `{kind, name, data_types, schedule, team,
    consent_text_version}`, with `schedule`: `{expression, timezone, enabled}`; `changed_by`: the
    ARN of the last change's caller.
    """

    def __init__(
        self,
        table: StateTable,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_age: float = _MAX_AGE,
    ) -> None:
        """Set the longest age of the products that `products` and `kinds` return, in seconds."""
        self._table = table
        self._max_age = max_age
        self._clock = clock
        self._known: Found[str, Product] = Found({})
        self._read_at = float("-inf")

    def products(self) -> Found[str, Product]:
        """Return the products by identifier, at most `max_age` old. Raises Unavailable."""
        if self._clock() - self._read_at >= self._max_age:
            self._known, _ = self.read()
            self._read_at = self._clock()
        return self._known

    def kinds(self) -> Mapping[str, str]:
        """Return the kinds by identifier, at most `max_age` old. Raises Unavailable."""
        return {name: product.kind.value for name, product in self.products().items()}

    def read(self) -> tuple[Found[str, Product], int]:
        """Return the present products, with the version for `replace`. Raises Unavailable."""
        stored = self._table.get(KEY)
        items = stored.attributes.get("products", {})
        readable, unreadable = {}, []
        for name in sorted(items):
            try:
                readable[name] = read(f"{key_text(KEY)}, {name}", _product, name, items[name])
            except Unreadable:
                unreadable.append(name)
        return Found(readable, unreadable), stored.version

    def replace(self, products: Iterable[Product], version: int, by: str | None = None) -> bool:
        """Make these the registry, if it still has this version; tell whether it had.

        Raises Unavailable, NeverProjected (over DynamoDB's 400 KB).
        """
        items = {product.identifier: _item(product) for product in products}
        replaced = self._table.put(KEY, {"products": items, "changed_by": by}, version)
        self._read_at = float("-inf")
        return replaced


def _item(product: Product) -> dict[str, Any]:
    item = attributes(product)
    del item["identifier"]  # the name of the product's attribute
    return item


def _product(identifier: str, item: Mapping[str, Any]) -> Product:
    return Product(
        identifier=identifier,
        kind=ProductKind(item["kind"]),
        name=item.get("name"),
        data_types=tuple(item.get("data_types", ())),
        schedule=item.get("schedule") and Schedule(**item["schedule"]),
        team=item.get("team"),
        consent_text_version=item.get("consent_text_version"),
    )
