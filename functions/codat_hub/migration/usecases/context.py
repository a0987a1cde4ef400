"""What every step works with: its ports, its input and its answer."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.consent import ConsentEntry
    from codat_hub.migration.domain.chunk import Chunk, Found, Tally, Verdict
    from codat_hub.migration.domain.consumers import Consumer
    from codat_hub.migration.domain.entry import Entry
    from codat_hub.migration.domain.run import Run
    from codat_hub.product_events.domain.read_state import ReadState
    from codat_hub.products.domain.product import Product

_NAMESPACE: Final = uuid.UUID("6d5b1d2e-5a0c-4f3e-9a57-1c2d3e4f5a6b")


class Codat(Protocol):
    def companies_page(self, page: int) -> tuple[list[Found], bool]: ...
    def company(self, company_id: str) -> Found | None: ...
    def client_settings(self) -> dict[str, Any]: ...
    def set_client_settings(self, settings: Mapping[str, Any], key: str) -> None: ...
    def company_settings(self, company_id: str) -> dict[str, Any] | None: ...
    def set_company_settings(self, settings: Mapping[str, Any], key: str) -> None: ...
    def running_reads(self, company_id: str, before: datetime) -> int: ...
    def consumers(self) -> list[Consumer]: ...
    def create_consumer(
        self,
        url: str,
        event_types: Sequence[str],
        tags: Sequence[str],
        key: str,
        *,
        disabled: bool = False,
    ) -> Consumer: ...
    def delete_consumer(self, consumer_id: str) -> bool: ...
    def add_product(self, company_id: str, product: str) -> None: ...
    def remove_product(self, company_id: str, product: str) -> bool: ...
    def products_are_enabled(self, company_id: str) -> str | None: ...


class Ledger(Protocol):
    def get(self, migration_id: str) -> Run | None: ...
    def change(self, migration_id: str, change: Callable[[Run], Run]) -> Run: ...
    def raise_epoch(self, migration_id: str) -> int: ...
    def entry(self, migration_id: str, name: str) -> Entry: ...
    def entries(self, migration_id: str, names: Iterable[str]) -> dict[str, Entry]: ...
    def under(self, migration_id: str, prefix: str) -> dict[str, Entry]: ...
    def first(self, migration_id: str, name: str, entry: Entry) -> Entry: ...
    def intend(self, migration_id: str, epoch: int, entries: Mapping[str, Entry]) -> None: ...
    def note(self, migration_id: str, name: str, change: Callable[[Entry], Entry]) -> Entry: ...
    def tally(self, migration_id: str, phase: str, chunk: str) -> Tally | None: ...
    def put_tally(self, migration_id: str, phase: str, chunk: str, tally: Tally) -> None: ...
    def tallies(self, migration_id: str, phase: str, listing: str = "") -> list[Tally]: ...
    def migrated(self, company_ids: Sequence[str]) -> set[str]: ...


class Manifests(Protocol):
    def put(self, key: str, value: Any) -> None: ...
    def get(self, key: str) -> Any: ...


class Assignments(Protocol):
    def get(self, company_id: str, product: str) -> tuple[Assignment, int]: ...
    def get_many(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Assignment]: ...
    def put(self, assignment: Assignment, version: int) -> bool: ...


class Consents(Protocol):
    def newest(self, company_id: str, product: str) -> ConsentEntry | None: ...


class Registry(Protocol):
    def products(self) -> Mapping[str, Product]: ...


class SigningSecrets(Protocol):
    def withdraw(self, consumer: str, fingerprints: Collection[str]) -> None: ...


class ReadStates(Protocol):
    def get(self, company_id: str, product: str | None) -> tuple[ReadState, int]: ...


@dataclass(frozen=True)
class Limits:
    """wait_scale: multiplies every wait, 1 but on the local stack; hub_url: of the webhooks API.

    calls_a_second: of the whole migration, for the plan's arithmetic; the calls pace themselves
    """

    wait_scale: float
    calls_a_second: float
    hub_url: str
    quiet_for: timedelta = timedelta(hours=14)
    quiet_poll: timedelta = timedelta(minutes=15)
    reads_for: timedelta = timedelta(hours=14)
    reads_poll: timedelta = timedelta(minutes=15)
    call_timeout: timedelta = timedelta(seconds=30)

    def seconds(self, wait: timedelta) -> int:
        """Scale a wait for the state machine, which takes whole seconds."""
        return max(1, math.ceil(wait.total_seconds() * self.wait_scale))

    def over(self, since: datetime, wait: timedelta, now: datetime) -> bool:
        return now - since >= wait * self.wait_scale


@dataclass(frozen=True)
class Parts:
    """`check_client` raises WrongClient unless the API key is of this stack's Codat client."""

    codat: Codat
    ledger: Ledger
    manifests: Manifests
    assignments: Assignments
    consents: Consents
    registry: Registry
    read_states: ReadStates
    signing_secrets: SigningSecrets
    check_client: Callable[[], None]
    limits: Limits
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, migration_id: str) -> Run:
        run = self.ledger.get(migration_id)
        if run is None:
            raise StepFailed(f"there is no ledger of migration {migration_id}")
        return run


@dataclass(frozen=True)
class Command:
    """One invocation. `state`: the execution's, where needed; `more_time`: whether to go on."""

    migration_id: str
    epoch: int
    chunk: Chunk | None = None
    listing: str = ""
    token: str | None = None
    waiting_for: str | None = None
    state: Mapping[str, Any] | None = None
    more_time: Callable[[], bool] = lambda: True

    @property
    def its_chunk(self) -> Chunk:
        if self.chunk is None:
            raise StepFailed("this step works on a chunk, and none was given")
        return self.chunk


@dataclass(frozen=True)
class Answer:
    """What the state machine goes on by: always the same fields, never more than small facts."""

    next: str = "done"
    wait_seconds: int = 1
    manifest: str = ""
    listing: str = ""
    epoch: int = 0
    cause: str = ""


def call_key(command: Command, what: str) -> str:
    """Name a POST: the same for a retry of the same change, another one for a later rollback."""
    return str(uuid.uuid5(_NAMESPACE, f"{command.migration_id} {command.epoch} {what}"))


def verdict(parts: Parts, command: Command, phase: str, listing: str) -> Verdict:
    """Judge one phase of a listing from the ledger, and keep its counts in the head.

    There they cost whoever watches nothing; the tallies of 100,000 companies are megabytes.
    """
    run = parts.run(command.migration_id)
    tallies = parts.ledger.tallies(command.migration_id, phase, f"{listing}-")
    found = judge(tallies, run.chunks.get(listing, 0), command.epoch)
    parts.ledger.change(
        command.migration_id,
        lambda one: replace(
            one, counted={**one.counted, counted_as(phase, listing): found.counts()}
        ),
    )
    return found


def counted_as(phase: str, listing: str) -> str:
    return f"{phase} {listing}"


def company_entry(company_id: str) -> str:
    return f"COMPANY#{company_id}"


def product_entry(company_id: str, product: str) -> str:
    return f"PRODUCT#{company_id}#{product}"
