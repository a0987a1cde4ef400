"""A read ends with a base event and its sub-events (docs/codat.md, C27)."""

from datetime import datetime
from typing import Any

from tools.sandbox.companies import views
from tools.sandbox.reads import records, windows
from tools.sandbox.world.catalog import COMPLETE, ERRORS
from tools.sandbox.world.model import Company, Dataset, Read
from tools.sandbox.world.moments import codat_date
from tools.sandbox.world.world import World


def send(world: World, company: Company, read: Read) -> None:
    """Send every event of a finished read: the same payload, different names and ids.

    A custom product's identifier stands in front; other reads send plain `read.completed`.
    """
    datasets = [company.datasets[dataset_id] for dataset_id in read.dataset_ids]
    since = _since(read, datasets)
    payload = {
        "referenceCompany": views.reference(company),
        "modifiedFromDate": codat_date(since) if since else None,
        "dataTypes": [
            {
                "connectionId": dataset.connection_id,
                "dataType": dataset.data_type,
                "recordsModified": not read.initial and _modified(world, company, dataset, since),
                "status": dataset.outcome,
                "issues": [_warning(company, dataset)] if dataset.has_warnings else [],
            }
            for dataset in datasets
        ],
    }
    failed = any(dataset.outcome in ERRORS for dataset in datasets)
    outcome = "unsuccessful" if failed else "successful"
    base = f"{read.product}.read.completed" if read.product else "read.completed"
    suffixes = ["", f".{outcome}"]
    if read.initial:
        suffixes += [".initial", f".{outcome}.initial"]
    for suffix in suffixes:
        world.emit(base + suffix, payload, about=company)


def _since(read: Read, datasets: list[Dataset]) -> datetime | None:
    """Return modifiedFromDate, by the data types that ended Complete, or by all without one."""
    complete = [dataset for dataset in datasets if dataset.outcome == COMPLETE] or datasets
    return windows.oldest(read.bounds[dataset.key] for dataset in complete)


def _modified(world: World, company: Company, dataset: Dataset, since: datetime | None) -> bool:
    """Tell whether a record lies in the window; never so for an initial read."""
    cached = records.cache(world, company, dataset.key)
    if dataset.outcome != COMPLETE or cached is None:
        return False
    return since is None or cached.last_modified >= since


def _warning(company: Company, dataset: Dataset) -> dict[str, Any]:
    logs = f"https://api.codat.io/companies/{company.id}/sync/{dataset.id}/validation"
    return {
        "type": "warning.validation",
        "message": f"Some {dataset.data_type} did not meet validation criteria. See the logs.",
        "links": {
            "logs": logs,
            "portal": f"https://app.codat.io/companies/{company.id}/pull-history",
            "readMore": "https://docs.codat.io/using-the-api/get-data-troubleshooting"
            "#warning.validation",
        },
    }
