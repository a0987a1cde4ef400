"""Read operations: how they start, what locks, how they end and what they then send."""

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
# The status in which a fetch ends when its connection was cut meanwhile.
_CUT: Final = "AuthError"
_WARNING_SHARE: Final = 0.05
_MOST_DATASETS_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a read takes, in sandbox seconds; None holds it until it is completed by hand."""

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
    """Start reading the targets; None (and no event, ever) if there are none."""
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
    # Nothing is registered before all of it is known to work: half a read would lock for ever.
    datasets = [_dataset(world, company, read, target, pace) for target in targets]
    company.reads[read.id] = read
    for dataset in datasets:
        _queue(world, company, read, dataset)
    return read


def targets(
    company: Company, data_types: Iterable[str], only: Connection | None = None
) -> list[tuple[Connection, str]]:
    """Which data types can be read from which of the company's linked connections."""
    every = [only] if only else company.connections.values()
    linked = [connection for connection in every if connection.status == LINKED]
    return [
        (connection, data_type)
        for data_type in dict.fromkeys(data_types)
        for connection in linked
        if PLATFORMS[connection.platform_key].offers(data_type)
    ]


def is_locked(world: World, company: Company, product: str) -> bool:
    """Whether a read keeps this product from being refreshed now."""
    if world.options.lock_scope is LockScope.COMPANY:
        return bool(company.reads)
    return any(read.product == product for read in company.reads.values())


def dataset_in_progress(company: Company, key: str) -> Dataset | None:
    """The fetch of this data type that runs now under client-level settings, if any."""
    dataset = company.datasets.get(company.latest.get(key, ""))
    return dataset if dataset and dataset.completed is None else None


def on_dataset_end(world: World, entry: AgendaEntry) -> None:
    """A fetch has had its time."""
    args = entry.args
    company = world.state.companies.get(args["company"])
    dataset = company.datasets.get(args["dataset"]) if company else None
    if company and dataset and dataset.completed is None:
        finish_dataset(world, company, dataset, dataset.outcome)


def finish_dataset(world: World, company: Company, dataset: Dataset, outcome: str) -> None:
    """End one fetch; the last one of a read ends the read and sends its events."""
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
    """The data types that are being read for a product now."""
    reads = [read for read in company.reads.values() if read.product == product]
    datasets = [company.datasets[one] for read in reads for one in read.dataset_ids]
    return sorted({one.data_type for one in datasets if one.completed is None})


def complete_now(
    world: World, company: Company, product: str | None, statuses: Mapping[str, str]
) -> int:
    """End the reads that run for a product now; answers how many there were."""
    running = [read for read in company.reads.values() if read.product == product]
    for read in running:
        for dataset in [company.datasets[one] for one in read.dataset_ids]:
            if dataset.completed is None:
                finish_dataset(world, company, dataset, statuses.get(dataset.data_type, COMPLETE))
        company.reads.pop(read.id, None)  # a read of nothing ends without an event
    return len(running)


def cancel(world: World, company: Company, product: str | None) -> None:
    """Stop the reads of a product without an event: it was removed, or its company was."""
    for read in [read for read in company.reads.values() if read.product == product]:
        for dataset in [company.datasets[one] for one in read.dataset_ids]:
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
    """Keep the history short in long simulations; the latest of each data type stays."""
    if len(company.datasets) <= _MOST_DATASETS_KEPT:
        return
    needed = {*company.latest.values(), *company.latest_complete.values()}
    needed.update(one for read in company.reads.values() for one in read.dataset_ids)
    for dataset_id in list(company.datasets)[: -_MOST_DATASETS_KEPT // 2]:
        if dataset_id not in needed:
            del company.datasets[dataset_id]
