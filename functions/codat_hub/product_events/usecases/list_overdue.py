"""Keep the list of what is overdue, or will be, for the products that no read has listed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.companies.domain.company import Company
from codat_hub.product_events.domain.freshness import overdue_from
from codat_hub.product_events.domain.read_state import ReadState
from codat_hub.storage.update import update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.product_events.ports import ReadStates
    from codat_hub.products.domain.product import Product
    from codat_hub.storage.found import Found


@dataclass(frozen=True, slots=True)
class ListOverdue:
    """Compares the read states of assignments with what they should say, and corrects them.

    A read lists its own state. This lists what only time, a schedule, a consent or a connection
    has changed, what was never read, and what an earlier version of the hub wrote. Raises
    Unavailable, and may be repeated.
    """

    read_states: ReadStates

    def __call__(
        self,
        assignments: Iterable[Assignment],
        companies: Found[str, Company],
        products: Mapping[str, Product],
    ) -> Found[tuple[str, str | None], ReadState]:
        """Correct the states of custom products, and return all as they were before.

        A state stays as it is while it, or its company, cannot be read.
        """
        by_pair = {(item.company_id, item.product): item for item in assignments}
        states = self.read_states.get_many(by_pair)
        for pair, assignment in by_pair.items():
            if pair in states.unreadable or pair[0] in companies.unreadable:
                continue
            company = companies.get(pair[0], Company(pair[0]))
            right = partial(overdue_from, assignment, company, products.get(pair[1]))
            state = states.get(pair, ReadState())
            if right(state.last_read_at) != state.overdue_from:
                self._correct(assignment, right)
        return states

    def _correct(
        self, assignment: Assignment, right: Callable[[datetime | None], datetime | None]
    ) -> None:
        company_id, product = assignment.company_id, assignment.product

        def corrected(state: ReadState) -> ReadState | None:
            at = right(state.last_read_at)
            return None if at == state.overdue_from else replace(state, overdue_from=at)

        read = partial(self.read_states.get, company_id, product)
        write = partial(self.read_states.put, company_id, product)
        update(read, corrected, write, f"the read state of {company_id}")
