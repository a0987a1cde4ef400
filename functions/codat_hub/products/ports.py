"""The registry and the schedules that use cases work with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from codat_hub.products.domain.product import Product, Schedule
    from codat_hub.storage.found import Found


class Products(Protocol):
    """The registry.

    `products` and `kinds` may be as old as its cache allows; `read` and `replace` are not.
    """

    def products(self) -> Found[str, Product]: ...
    def kinds(self) -> Mapping[str, str]: ...
    def read(self) -> tuple[Found[str, Product], int]: ...
    def replace(self, products: Iterable[Product], version: int, by: str | None = None) -> bool: ...


class Schedules(Protocol):
    """Schedules that ask for refreshes, one for each product that has a schedule."""

    def match(self, wanted: Mapping[str, Schedule]) -> Sequence[str]:
        """Make these the schedules; return the products whose schedule changed by that.

        Raises Unavailable; a repeat finishes the work.
        """
        ...
