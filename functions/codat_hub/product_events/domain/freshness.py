"""Measures how fresh the data of a company's product is, against the product's own schedule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from codat_hub.codat.domain.data_types import is_unsuccessful
from codat_hub.companies.domain.consent import covers
from codat_hub.products.domain.schedule_expression import NEVER, interval, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.company import Company
    from codat_hub.product_events.domain.read_state import KeyState, ReadState
    from codat_hub.products.domain.product import Product

_LEAST_GRACE: Final = timedelta(hours=1)
# The hub tries a refresh for 14 h, so a read is not late before that.
_MOST_GRACE: Final = timedelta(hours=14)


class OverduePlace(NamedTuple):
    """A company whose product the index lists as overdue, and its place in the product's list."""

    company_id: str
    product: str
    place: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """The freshness of one company's product. Times are aware, in UTC.

    outcomes: status -> number of data types (per connection) whose latest read ended with it
    unsuccessful: the data types whose latest read failed
    watermark_at: the oldest watermark of its data types; None if any was never read completely
    cadence: the time between two slots; None without an enabled schedule
    due_at: the first slot after the last read, or after the assignment if there was no read
    overdue_by: the time since `due_at` if that is longer than the grace, else None
    """

    company_id: str
    product: str
    company_name: str | None
    status: str
    linked: bool
    consent: bool
    last_read_at: datetime | None
    outcomes: Mapping[str, int]
    unsuccessful: tuple[str, ...]
    watermark_at: datetime | None
    cadence: timedelta | None
    due_at: datetime | None
    overdue_by: timedelta | None

    @property
    def overdue(self) -> bool:
        return self.overdue_by is not None


def overdue_from(
    assignment: Assignment, company: Company, product: Product | None, last_read_at: datetime | None
) -> datetime | None:
    """Return from when the product is overdue, unless it is read before; None: never.

    Only a product that the hub may read is ever overdue.
    """
    if product is None or not company.linked or not assignment.may_be_read(product):
        return None
    cadence, due_at = _due(assignment, product, last_read_at)
    return due_at + grace(cadence) if due_at and cadence else None


def freshness(
    assignment: Assignment,
    company: Company,
    product: Product | None,
    state: ReadState,
    now: datetime,
) -> Freshness:
    """Measure freshness; product None: not registered, so without cadence and consent."""
    consent = product is not None and covers(assignment.consent, product)
    cadence, due_at = _due(assignment, product, state.last_read_at)
    late_from = overdue_from(assignment, company, product, state.last_read_at)
    overdue_by = now - due_at if due_at and late_from and now > late_from else None
    keys = _live_keys(company, state)
    return Freshness(
        company_id=assignment.company_id,
        product=assignment.product,
        company_name=company.name,
        status=assignment.status,
        linked=company.linked,
        consent=consent,
        last_read_at=state.last_read_at,
        outcomes=dict(sorted(Counter(known.status for _, known in keys).items())),
        unsuccessful=tuple(sorted({name for name, known in keys if is_unsuccessful(known.status)})),
        watermark_at=_oldest_watermark(keys),
        cadence=cadence,
        due_at=due_at,
        overdue_by=overdue_by,
    )


def grace(cadence: timedelta) -> timedelta:
    """Return how late a read may be: half the cadence, but 1 to 14 hours."""
    return min(max(cadence / 2, _LEAST_GRACE), _MOST_GRACE)


def _due(
    assignment: Assignment, product: Product | None, last_read_at: datetime | None
) -> tuple[timedelta | None, datetime | None]:
    schedule = product.schedule if product else None
    since = last_read_at or assignment.changed_at
    if schedule is None or not schedule.enabled or not runs(schedule):
        return None, None
    if since is None:
        return None, None
    wait = interval(schedule, since)
    if wait >= NEVER:
        return None, None
    due_at = since + wait
    cadence = interval(schedule, due_at)
    return (wait if cadence >= NEVER else cadence), due_at


def _live_keys(company: Company, state: ReadState) -> list[tuple[str, KeyState]]:
    """Return each data type with its state, except for connections removed since their read."""
    gone = company.removed_connections
    return [
        (key.data_type, known)
        for key, known in state.keys.items()
        if gone.get(key.connection_id) is None or gone[key.connection_id] < known.latest.at
    ]


def _oldest_watermark(keys: Iterable[tuple[str, KeyState]]) -> datetime | None:
    marks = [known.watermark for _, known in keys]
    if not marks or None in marks:
        return None
    return min(mark.at for mark in marks if mark)
