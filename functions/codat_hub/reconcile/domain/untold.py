"""Data types that Codat has read and no webhook has reported."""

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

# Codat delivers at once, and within 35 minutes again after three failures (docs/codat.md, C34).
_DELIVERED_WITHIN: Final = timedelta(hours=1)
_LONGEST_READ: Final = timedelta(hours=14)  # Codat retries for 12 h (docs/codat.md, C22)


def untold(
    statuses: Mapping[str, ObservedStatus], states: Iterable[ReadState], now: datetime
) -> dict[str, datetime]:
    """Return the data types that Codat has read successfully later than any webhook told, and when.

    Codat tells it per company and not per product, so every product's reads count, plain ones too.
    While a read is in progress its webhook may still come: then only what is older than the
    longest read counts.
    """
    told: dict[str, datetime] = {}
    for state in states:
        for key, one in state.keys.items():
            if one.watermark is not None:
                mark = one.watermark.at + SAME_READ_WITHIN
                told[key.data_type] = max(mark, told.get(key.data_type, mark))
    busy = any(one.status in IN_PROGRESS for one in statuses.values())
    settled = now - (_LONGEST_READ if busy else _DELIVERED_WITHIN)
    return {
        data_type: one.last_success
        for data_type, one in sorted(statuses.items())
        if one.last_success is not None
        and one.last_success <= settled
        and (data_type not in told or one.last_success > told[data_type])
    }
