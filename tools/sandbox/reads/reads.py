"""Reads start, lock their product, and end with their events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tools.sandbox.options import LockScope
from tools.sandbox.reads import read_events, records, windows
from tools.sandbox.world.catalog import COMPLETE
from tools.sandbox.world.model import AgendaEntry, Company, Connection, Dataset, Read
from tools.sandbox.world.platforms import PLATFORMS
from tools.sandbox.world.world import World

LINKED: Final = "Linked"
# A fetch ends with this status if its connection was cut meanwhile.
_CUT: Final = "AuthError"
_WARNING_SHARE: Final = 0.05
_MOST_DATASETS_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class Pace:
    """How many sandbox seconds a read takes; None: until it is completed by hand."""

    seconds: float | None


def start(
    world: World,
    company: Company,
    product: str | None,
    targets: list[tuple[Connection, str]],
    *,
    initial: bool = False,
    pace: Pace | None = None,
) -> Read | None:
    """Start reading the targets; without any return None, and no event follows."""
    if not targets:
        return None
    read = Read(
        id=world.ids.uuid(),
        company_id=company.id,
        product=product,
        initial=initial,
        started=world.now,
        bounds=windows.bounds(company, product, [f"{link.id}|{kind}" for link, kind in targets]),
        dataset_ids=[],
        unfinished=len(targets),
    )
    # Register only when everything is known to work: half a read would lock without an end.
    datasets = [_dataset(world, company, read, target, pace) for target in targets]
    company.reads[read.id] = read
    for dataset in datasets:
        _queue(world, company, read, dataset)
    return read


def targets(
    company: Company, data_types: Iterable[str], only: Connection | None = None
) -> list[tuple[Connection, str]]:
    """Return the data types that can be read, each with its linked connection."""
    every = [only] if only else company.connections.values()
    linked = [connection for connection in every if connection.status == LINKED]
    return [
        (connection, data_type)
        for data_type in dict.fromkeys(data_types)
        for connection in linked
        if PLATFORMS[connection.platform_key].offers(data_type)
    ]


def is_locked(world: World, company: Company, product: str) -> bool:
    """Tell whether a running read refuses a refresh of this product."""
    if world.options.lock_scope is LockScope.COMPANY:
        return bool(company.reads)
    return any(read.product == product for read in company.reads.values())


def dataset_in_progress(company: Company, key: str) -> Dataset | None:
    """Return the running fetch of this key under client-level settings; None without one."""
    dataset = company.datasets.get(company.latest.get(key, ""))
    return dataset if dataset and dataset.completed is None else None


def on_dataset_end(world: World, entry: AgendaEntry) -> None:
    """End a fetch whose time is over."""
    args = entry.args
    company = world.state.companies.get(args["company"])
    dataset = company.datasets.get(args["dataset"]) if company else None
    if company and dataset and dataset.completed is None:
        finish_dataset(world, company, dataset, dataset.outcome)


def finish_dataset(world: World, company: Company, dataset: Dataset, outcome: str) -> None:
    """End one fetch; the last fetch of a read ends the read and sends its events."""
    connection = company.connections.get(dataset.connection_id)
    if connection is None:
        outcome = "Cancelled"
    elif outcome == COMPLETE and connection.status != LINKED:
        outcome = _CUT
    dataset.outcome, dataset.completed = outcome, world.now
    read = company.reads[dataset.read_id]
    if outcome == COMPLETE and connection:
        records.fetch(world, company, dataset)
        windows.remember(company, read.product, dataset)
        company.latest_complete[dataset.key] = dataset.id
        dataset.has_warnings = world.ids.rng.random() < _WARNING_SHARE
        company.last_sync = connection.last_sync = world.now
    read.unfinished -= 1
    if read.unfinished == 0:
        _end(world, company, read)


def running_types(company: Company, product: str | None) -> list[str]:
    """Return the data types that a running read fetches for a product."""
    reads = [read for read in company.reads.values() if read.product == product]
    datasets = [company.datasets[dataset_id] for read in reads for dataset_id in read.dataset_ids]
    return sorted({dataset.data_type for dataset in datasets if dataset.completed is None})


def complete_now(
    world: World, company: Company, product: str | None, statuses: Mapping[str, str]
) -> int:
    """End the running reads of a product; return how many there were."""
    running = [read for read in company.reads.values() if read.product == product]
    for read in running:
        for dataset in [company.datasets[dataset_id] for dataset_id in read.dataset_ids]:
            if dataset.completed is None:
                finish_dataset(world, company, dataset, statuses.get(dataset.data_type, COMPLETE))
        company.reads.pop(read.id, None)  # a read without fetches ends without an event
    return len(running)


def cancel(world: World, company: Company, product: str | None) -> None:
    """Stop a product's reads without an event, as it or its company was removed."""
    for read in [read for read in company.reads.values() if read.product == product]:
        for dataset in [company.datasets[dataset_id] for dataset_id in read.dataset_ids]:
            if dataset.completed is None:
                dataset.outcome, dataset.completed = "Cancelled", world.now
        del company.reads[read.id]


def _dataset(
    world: World,
    company: Company,
    read: Read,
    target: tuple[Connection, str],
    pace: Pace | None,
) -> Dataset:
    connection, data_type = target
    outcome = company.trouble.get(data_type, COMPLETE)
    if data_type in PLATFORMS[connection.platform_key].lacks:
        outcome = "NotSupported"
    seconds = pace.seconds if pace else _duration(world, outcome)
    return Dataset(
        id=world.ids.uuid(),
        read_id=read.id,
        connection_id=connection.id,
        data_type=data_type,
        requested=world.now,
        ends=None if seconds is None else world.now + timedelta(seconds=seconds),
        outcome=outcome,
    )


def _queue(world: World, company: Company, read: Read, dataset: Dataset) -> None:
    read.dataset_ids.append(dataset.id)
    company.datasets[dataset.id] = dataset
    company.latest[dataset.key] = dataset.id
    if dataset.ends:
        world.plan(dataset.ends, "dataset.end", company=company.id, dataset=dataset.id)


def _duration(world: World, outcome: str) -> float:
    match outcome:
        case "Complete":
            return world.options.read_seconds * world.ids.rng.uniform(0.5, 1)
        case "NotSupported":
            return 0.0
        case _:
            return world.options.failure_seconds


def _end(world: World, company: Company, read: Read) -> None:
    del company.reads[read.id]
    read_events.send(world, company, read)
    world.plan(world.now, "client.replan", company=company.id)
    _trim(company)


def _trim(company: Company) -> None:
    """Shorten the history of a long simulation; the latest fetch of each data type stays."""
    if len(company.datasets) <= _MOST_DATASETS_KEPT:
        return
    needed = {*company.latest.values(), *company.latest_complete.values()}
    needed.update(dataset_id for read in company.reads.values() for dataset_id in read.dataset_ids)
    for dataset_id in list(company.datasets)[: -_MOST_DATASETS_KEPT // 2]:
        if dataset_id not in needed:
            del company.datasets[dataset_id]
