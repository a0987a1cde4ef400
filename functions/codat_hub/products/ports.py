"""What use cases need of the registry and the schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.products.domain.product import Product
    from codat_hub.storage.found import Found


class Products(Protocol):
    """The registry. `products` and `kinds` may be as old as the registry's cache allows."""

    def products(self) -> Found[str, Product]: ...
    def kinds(self) -> Mapping[str, str]: ...
    def read(self) -> tuple[Found[str, Product], int]: ...
    def replace(self, products: Iterable[Product], version: int, by: str | None = None) -> bool: ...
