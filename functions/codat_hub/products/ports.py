"""The registry and the schedules that use cases work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.products.domain.product import Product, Schedule
    from codat_hub.storage.found import Found


@dataclass(frozen=True, slots=True)
class Matched:
    """The products whose schedule changed, and AWS's words for each that it refused."""

    changed: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


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

    def match(self, wanted: Mapping[str, Schedule]) -> Matched:
        """Make these the schedules. One that is refused costs itself and not the others.

        Raises Unavailable; a repeat finishes the work.
        """
        ...
