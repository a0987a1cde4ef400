"""The progress of a fetch is computed from the time, not stored (docs/codat.md, C22)."""

from datetime import datetime
from typing import Any, Final

from tools.sandbox.world.catalog import COMPLETE, ERRORS, IN_PROGRESS
from tools.sandbox.world.model import Dataset
from tools.sandbox.world.moments import codat_date

# Codat tries a failing fetch again, after twice the wait each time, before it gives up.
MOST_RETRIES: Final = 10
_HELD: Final = "Fetching"


def status_at(dataset: Dataset, now: datetime) -> str:
    """Return the dataset's status at a moment."""
    if dataset.completed:
        return dataset.outcome
    if dataset.ends is None or dataset.outcome in ERRORS:
        return "Queued" if dataset.requested == now else _HELD
    return IN_PROGRESS[min(int(_share(dataset, now) * len(IN_PROGRESS)), len(IN_PROGRESS) - 1)]


def operation(dataset: Dataset, company_id: str, now: datetime) -> dict[str, Any]:
    """Show a dataset as the API's `PullOperation`."""
    status = status_at(dataset, now)
    shown: dict[str, Any] = {
        "id": dataset.id,
        "companyId": company_id,
        "connectionId": dataset.connection_id,
        "dataType": dataset.data_type,
        "status": status,
        "requested": codat_date(dataset.requested),
        "progress": 100 if dataset.completed else int(_share(dataset, now) * 100),
        "isCompleted": status == COMPLETE,
        "isErrored": status in ERRORS,
    }
    if dataset.completed:
        shown["completed"] = codat_date(dataset.completed)
    if status in ERRORS:
        shown["errorMessage"] = f"The {dataset.data_type} could not be read: {status}."
    if pause := _pause(dataset, now):
        shown["statusDescription"] = pause
    return shown


def _pause(dataset: Dataset, now: datetime) -> str | None:
    """Return the note with the time of the next try while a failing fetch waits for it."""
    if dataset.completed or dataset.ends is None or dataset.outcome not in ERRORS:
        return None
    units = 2**MOST_RETRIES - 1
    tried = int(_share(dataset, now) * units + 1).bit_length() - 1
    if not 0 <= tried < MOST_RETRIES:
        return None
    until = dataset.requested + (dataset.ends - dataset.requested) * (
        (2 ** (tried + 1) - 1) / units
    )
    retry = f"Retry {tried + 1} of {MOST_RETRIES}."
    return f"Fetching is paused until {codat_date(until)}. {retry}"


def _share(dataset: Dataset, now: datetime) -> float:
    """Return how much of its time is over, from 0 to 1."""
    if dataset.ends is None or dataset.ends <= dataset.requested:
        return 0.0
    share = (now - dataset.requested) / (dataset.ends - dataset.requested)
    return max(0.0, min(1.0, share))
