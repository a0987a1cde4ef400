"""Find data types that Codat has read and no webhook has reported."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.codat.domain.data_types import IN_PROGRESS
from codat_hub.product_events.domain.read_state import SAME_READ_WITHIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from codat_hub.product_events.domain.read_state import ReadState
    from codat_hub.reconcile.domain.observed import ObservedStatus

# Codat delivers at once; its third repetition comes 35 minutes later (docs/codat.md, C34).
_DELIVERED_WITHIN: Final = timedelta(hours=1)
_LONGEST_READ: Final = timedelta(hours=14)  # Codat retries for 12 h (docs/codat.md, C22)


def unreported(
    statuses: Mapping[str, ObservedStatus], states: Iterable[ReadState], now: datetime
) -> dict[str, datetime]:
    """Return the data types with a successful read that no webhook reported, and the read's time.

    statuses: Codat's, by data type, for all products together; so reads of every product count
    states: every read state of the company, plain reads too
    While a read is in progress its webhook may still come; then a success counts only once it is
    older than the longest read.
    """
    reported: dict[str, datetime] = {}
    for state in states:
        for key, known in state.keys.items():
            if known.watermark is not None:
                mark = known.watermark.at + SAME_READ_WITHIN
                reported[key.data_type] = max(mark, reported.get(key.data_type, mark))
    busy = any(status.status in IN_PROGRESS for status in statuses.values())
    settled = now - (_LONGEST_READ if busy else _DELIVERED_WITHIN)
    return {
        data_type: status.last_success
        for data_type, status in sorted(statuses.items())
        if status.last_success is not None
        and status.last_success <= settled
        and (data_type not in reported or status.last_success > reported[data_type])
    }
