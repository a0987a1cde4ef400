"""The API's view of a company's data, and refreshes of it under client-level settings."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from tools.sandbox.companies import connections
from tools.sandbox.reads import progress, reads, records
from tools.sandbox.requests.errors import CodatError, connection_not_found, invalid_request
from tools.sandbox.requests.paging import Listing
from tools.sandbox.settings import sync_settings
from tools.sandbox.world.catalog import (
    COMPANY_DATA,
    CONNECTION_DATA,
    DATA_TYPES,
    ERRORS,
    SINGLE,
)
from tools.sandbox.world.model import Company, Dataset, Record, RecordSet
from tools.sandbox.world.moments import codat_date
from tools.sandbox.world.world import World


def refresh_all(world: World, company: Company) -> int:
    """Read every data type that is fetched on first link; return how many fetches started."""
    wanted = [
        setting.data_type
        for setting in sync_settings.effective(world, company)
        if setting.fetch_on_first_link
    ]
    free = [
        (connection, data_type)
        for connection, data_type in reads.targets(company, wanted)
        if not reads.dataset_in_progress(company, f"{connection.id}|{data_type}")
    ]
    reads.start(world, company, None, free)
    return len(free)


def refresh_type(
    world: World, company: Company, data_type: str, connection_id: str | None
) -> dict[str, Any]:
    """Read a data type of one connection or of each that has it; return the operation.

    The 400 for a fetch in progress is our choice: Codat publishes only the text.
    """
    if data_type not in DATA_TYPES:
        raise invalid_request(f"Unknown data type {data_type}.")
    only = None
    if connection_id is not None:
        only = company.connections.get(connection_id)
        if only is None:
            raise connection_not_found(connection_id)
    targets = reads.targets(company, [data_type], only)
    if not targets:
        raise _no_data(data_type, company)
    for connection, _ in targets:
        if running := reads.dataset_in_progress(company, f"{connection.id}|{data_type}"):
            raise CodatError(
                400,
                f"DatasetAlreadyInProgressException: {data_type} is already being fetched "
                f"by dataset {running.id}.",
                "PullApi",
            )
    read = reads.start(world, company, None, targets)
    first = company.datasets[read.dataset_ids[0]] if read else None
    if first is None:
        raise _no_data(data_type, company)
    return progress.operation(first, company.id, world.now)


def statuses(world: World, company: Company) -> dict[str, Any]:
    """Show the latest fetch of each data type; without one no entry (docs/codat.md, C51)."""
    latest: dict[str, Dataset] = {}
    for dataset_id in company.latest.values():
        dataset = company.datasets[dataset_id]
        known = latest.get(dataset.data_type)
        if known is None or known.requested <= dataset.requested:
            latest[dataset.data_type] = dataset
    return {kind: _status(world, company, dataset) for kind, dataset in latest.items()}


def history(world: World, company: Company) -> Listing[Dataset]:
    """List every fetch in the history, the newest first."""
    return Listing(
        list(reversed(company.datasets.values())),
        lambda dataset: progress.operation(dataset, company.id, world.now),
        lambda path: _dataset_property(world, company, path),
        "Dataset",
        "PullApi",
    )


def history_entry(world: World, company: Company, dataset_id: str) -> dict[str, Any]:
    """Show one fetch."""
    return progress.operation(_dataset(company, dataset_id), company.id, world.now)


def validation(company: Company, dataset_id: str) -> dict[str, Any]:
    """Show what Codat found wrong with the records of one fetch."""
    dataset = _dataset(company, dataset_id)
    warning = {
        "ruleId": "MANDATORY_FIELD",
        "itemId": f"{dataset.data_type}-1",
        "message": "A recommended field is empty.",
        "validatorName": f"{dataset.data_type}.mandatory",
    }
    return {"errors": [], "warnings": [warning] if dataset.has_warnings else []}


type Found = Listing[tuple[str, Record]] | dict[str, Any]


def of_company(world: World, company: Company, path: str) -> Found:
    """Return the records of a data type, from every connection that has it."""
    data_type = COMPANY_DATA.get(path)
    if data_type is None:
        raise _no_data(path, company)
    keys = [f"{connection_id}|{data_type}" for connection_id in company.connections]
    return _records(world, company, keys, data_type)


def of_connection(world: World, company: Company, connection_id: str, path: str) -> Found:
    """Return the records of a data type that is read by connection."""
    connection = connections.find(company, connection_id)
    data_type = CONNECTION_DATA.get(path)
    if data_type is None:
        raise _no_data(path, company)
    return _records(world, company, [f"{connection.id}|{data_type}"], data_type)


def of_account(
    world: World, company: Company, connection_id: str, account_id: str
) -> Listing[tuple[str, Record]]:
    """List the bank transactions of one account."""
    connection = connections.find(company, connection_id)
    key = f"{connection.id}|bankTransactions"
    found = [
        (key, record)
        for _, cached in _cached(world, company, [key], "bankTransactions")
        for record in cached.records
        if records.bank_account_of(record) == account_id
    ]
    return Listing(
        found, lambda item: records.view(*item), records.record_property, "bankTransactions"
    )


def _records(world: World, company: Company, keys: list[str], data_type: str) -> Found:
    known = _cached(world, company, keys, data_type)
    if data_type in SINGLE:
        key, cached = known[-1]
        return records.single(key, cached)
    items = [(key, record) for key, cached in known for record in cached.records]
    return Listing(items, lambda item: records.view(*item), records.record_property, data_type)


def _cached(
    world: World, company: Company, keys: list[str], data_type: str
) -> list[tuple[str, RecordSet]]:
    caches = [(key, records.cache(world, company, key)) for key in keys]
    known = [(key, cached) for key, cached in caches if cached]
    if not known:
        raise CodatError(
            409, f"The {data_type} of company {company.id} are not requested or still syncing."
        )
    return known


def _status(world: World, company: Company, dataset: Dataset) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "dataType": dataset.data_type,
        "currentStatus": progress.status_at(dataset, world.now),
        "latestSyncId": dataset.id,
    }
    complete = company.datasets.get(company.latest_complete.get(dataset.key, ""))
    if complete and complete.completed:
        shown["lastSuccessfulSync"] = codat_date(complete.completed)
        shown["latestSuccessfulSyncId"] = complete.id
    return shown


def _dataset_property(world: World, company: Company, path: str) -> Callable[[Dataset], Any] | None:
    match path:
        case "status":
            return lambda dataset: progress.status_at(dataset, world.now)
        case "progress":
            return lambda dataset: progress.operation(dataset, company.id, world.now)["progress"]
        case "isErrored":
            return lambda dataset: dataset.completed is not None and dataset.outcome in ERRORS
        case "companyId":
            return lambda _: company.id
    return _STORED.get(path)


def _dataset(company: Company, dataset_id: str) -> Dataset:
    if dataset := company.datasets.get(dataset_id):
        return dataset
    raise CodatError(404, f"No data available for dataset {dataset_id}", "PullApi")


def _no_data(data_type: str, company: Company) -> CodatError:
    return CodatError(404, f"No data available for {data_type} for ID {company.id}")


# Codat does not query isCompleted (docs/codat.md, C9).
_STORED: dict[str, Callable[[Dataset], Any]] = {
    "id": attrgetter("id"),
    "connectionId": attrgetter("connection_id"),
    "dataType": attrgetter("data_type"),
    "requested": attrgetter("requested"),
    "completed": attrgetter("completed"),
}
