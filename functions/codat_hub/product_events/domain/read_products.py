"""The products that a read is published for, and the changes that owe their teams a full load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.product_changes import ProductTimes
    from codat_hub.product_events.domain.read_event import ReadEvent, ReadKey


@dataclass(frozen=True, slots=True)
class ReadProducts:
    """The products of a company as a read of it finds them.

    changes: of the custom product that was read, or else of the standard products
    data_types: registered product -> its data types; none are registered: all of them
    removed_connections: connection id -> its newest removal
    assignment: of the custom product that was read
    """

    changes: Mapping[str, ProductTimes]
    data_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    removed_connections: Mapping[str, datetime] = field(default_factory=dict)
    assignment: Assignment | None = None

    def off(self, event: ReadEvent) -> bool:
        """Return whether the company was without the custom product when the read ended."""
        product = event.product
        return product is not None and self.changes[product].off_at(event.at)

    def standard(self, event: ReadEvent) -> tuple[str, ...]:
        """Return the standard products of a plain read that the company had when it ended."""
        if event.product is not None:
            return ()
        return tuple(
            sorted(name for name, known in self.changes.items() if not known.off_at(event.at))
        )

    def resets(self, event: ReadEvent, key: ReadKey) -> list[datetime]:
        """Return when the key's connection or one of its products was removed or added."""
        removed = self.removed_connections.get(key.connection_id)
        times = [] if removed is None else [removed]
        for name in self.changes if event.product else self.standard(event):
            own_types = () if event.product else self.data_types.get(name, ())
            if not own_types or key.data_type in own_types:
                times += self.changes[name].resets
        return times
