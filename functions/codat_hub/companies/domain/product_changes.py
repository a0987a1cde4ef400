"""When a product was removed from a company and added to it, as far as the hub knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ProductTimes:
    """The known changes of one product on one company; several may report the same change.

    present: when the product was seen on the company, without a change
    owed: when a person asked for a full load, without a change
    """

    removed: tuple[datetime, ...] = ()
    added: tuple[datetime, ...] = ()
    present: tuple[datetime, ...] = ()
    owed: tuple[datetime, ...] = ()

    def and_also(self, other: ProductTimes) -> ProductTimes:
        return ProductTimes(
            self.removed + other.removed,
            self.added + other.added,
            self.present + other.present,
            self.owed + other.owed,
        )

    def off_at(self, moment: datetime) -> bool:
        """Return whether the company was without the product then, by the newest change before."""
        removed = [time for time in self.removed if time < moment]
        there = [time for time in self.added + self.present if time <= moment]
        return bool(removed) and (not there or max(there) < max(removed))

    @property
    def resets(self) -> tuple[datetime, ...]:
        """Return the changes and wishes that each owe the product's team a full load."""
        return self.removed + self.added + self.owed
