"""What every step of the state machine works with, takes and returns."""

from __future__ import annotations

import math
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.codat.errors import TryLater
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally, judge
from codat_hub.migration.usecases import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from codat_hub.companies.ports import Assignments, Consents
    from codat_hub.migration.domain.chunk import Chunk, Member, PhaseVerdict
    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import AcceptedSecrets, Ledger, Manifests, MigrationCodat
    from codat_hub.product_events.ports import ReadStates
    from codat_hub.products.ports import Products
    from codat_hub.webhooks.hub_address import HubAddress

CLIENT: Final = "CLIENT"  # the ledger entry of the client's settings and consumers
_READ_BACK: Final = timedelta(minutes=1)
_LOOK_AFTER: Final = timedelta(seconds=5)
_NAMESPACE: Final = uuid.UUID("6d5b1d2e-5a0c-4f3e-9a57-1c2d3e4f5a6b")


@dataclass(frozen=True)
class Limits:
    """How long a run waits, and how fast it may call.

    wait_scale: multiplies every wait; 1 except on the local stack
    calls_a_second: Codat calls of all chunks together; the plan's time estimate uses it
    quiet_for: how long activity 2 waits for old reads; reads_for: how long first reads may take
    quiet_poll, reads_poll: time from one look to the next
    call_timeout: after this time a call to Codat has ended
    """

    wait_scale: float
    calls_a_second: float
    hub: HubAddress
    quiet_for: timedelta = timedelta(hours=14)
    quiet_poll: timedelta = timedelta(minutes=15)
    reads_for: timedelta = timedelta(hours=14)
    reads_poll: timedelta = timedelta(minutes=15)
    call_timeout: timedelta = timedelta(seconds=30)

    def seconds(self, wait: timedelta) -> int:
        """Scale a wait for the state machine, which takes whole seconds."""
        return max(1, math.ceil(wait.total_seconds() * self.wait_scale))

    def over(self, since: datetime, wait: timedelta, now: datetime) -> bool:
        """Tell whether a wait that began at `since` has ended, to scale."""
        return now - since >= wait * self.wait_scale


@dataclass(frozen=True)
class StepContext:
    """Dependencies shared by the steps of a migration.

    check_client: raises WrongClient unless the API key is of this stack's Codat client
    """

    codat: MigrationCodat
    ledger: Ledger
    manifests: Manifests
    assignments: Assignments
    consents: Consents
    registry: Products
    read_states: ReadStates
    signing_secrets: AcceptedSecrets
    check_client: Callable[[], None]
    limits: Limits
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    def run(self, command: Command) -> MigrationRun:
        """Return the run of a command. Raises StepFailed if there is none."""
        run = self.ledger.get(command.migration_id)
        if run is None:
            raise StepFailed(f"there is no ledger of migration {command.migration_id}")
        return run

    def change_run(
        self, command: Command, change: Callable[[MigrationRun], MigrationRun]
    ) -> MigrationRun:
        """Change the run of a command and return it."""
        return self.ledger.change(command.migration_id, change)

    def note(
        self, command: Command, name: str, change: Callable[[LedgerEntry], LedgerEntry]
    ) -> None:
        """Change an entry in the ledger of a command's run."""
        self.ledger.note(command.migration_id, name, change)


@dataclass(frozen=True)
class Command:
    """One invocation of a step.

    chunk: the companies to work on, for a step of a Map
    token, waiting_for: the state machine's task token and its reason, for a wait for a person
    state: the state of the execution, for a step that needs more of it
    more_time: tells whether the invocation has time to go on
    """

    migration_id: str
    epoch: int
    chunk: Chunk | None = None
    token: str | None = None
    waiting_for: str | None = None
    state: Mapping[str, Any] | None = None
    more_time: Callable[[], bool] = lambda: True

    @property
    def required_chunk(self) -> Chunk:
        """The chunk of a step that works on one. Raises StepFailed if there is none."""
        if self.chunk is None:
            raise StepFailed("this step works on a chunk, and none was given")
        return self.chunk


@dataclass(frozen=True)
class StepResult:
    """The result of a step, as the state machine's Choice states read it.

    listed: `nothing` if the listing has no company, so that no Map reads it

    Keep it small: it is execution state.
    """

    next: str = "done"
    wait_seconds: int = 1
    manifest: str = ""
    listing: str = ""
    epoch: int = 0
    cause: str = ""
    listed: str = "companies"


def call_key(command: Command, change: str) -> str:
    """Return the first idempotency key of a POST: another one for a later rollback."""
    return str(uuid.uuid5(_NAMESPACE, f"{command.migration_id} {command.epoch} {change}"))


def companies_of(context: StepContext, command: Command) -> list[tuple[Member, LedgerEntry]]:
    """Return the companies of the command's chunk, each with its ledger entry."""
    members = command.required_chunk.members
    names = [company_entry(member.company_id) for member in members]
    entries = context.ledger.entries(command.migration_id, names)
    return [(member, entries[name]) for member, name in zip(members, names, strict=True)]


@dataclass
class Progress:
    """How far a chunk is: the tally so far."""

    tally: Tally
    members: tuple[Member, ...]

    @property
    def left(self) -> tuple[Member, ...]:
        """The companies that were not looked at yet, then those that were left open."""
        unsettled = (member for member in self.members if member.company_id in self.tally.unsettled)
        return (*self.members[self.tally.seen :], *unsettled)


def look_again[T](
    context: StepContext, command: Command, look: Callable[[], T], good: Callable[[T], bool]
) -> T:
    """Return the first good answer to a read of what was just written, else the last of a minute.

    An answer may be one behind the write. Raises TryLater if the invocation has no more time.
    """
    looked_for = timedelta(0)
    while not good(found := look()) and looked_for < _READ_BACK:
        if not command.more_time():
            raise TryLater("what was written is not to be seen yet")
        context.sleep(_LOOK_AFTER.total_seconds())
        looked_for += _LOOK_AFTER
    return found


@contextmanager
def resuming(context: StepContext, command: Command, phase: str) -> Iterator[Progress]:
    """Yield the progress of a chunk that is looked at only, and save it unless it is finished.

    So a retry goes on at the company whose call failed, and a further look asks only for companies
    that were left open: the ledger has nothing else about the rest.
    """
    chunk = command.required_chunk
    known = context.ledger.tally(command.migration_id, phase, chunk.name)
    goes_on = known and known.epoch == command.epoch
    # A version before this one did not name the companies that are open.
    if known and goes_on and len(known.unsettled) == known.open:
        progress = Progress(replace(known, finished=False), chunk.members)
    else:
        progress = Progress(Tally(command.epoch), chunk.members)
    try:
        yield progress
    finally:
        if progress.left:
            context.ledger.put_tally(command.migration_id, phase, chunk.name, progress.tally)


def finish_chunk(context: StepContext, command: Command, phase: str, tally: Tally) -> StepResult:
    """Save the tally of a chunk that is finished."""
    chunk = command.required_chunk.name
    finished = replace(tally, finished=True)
    context.ledger.put_tally(command.migration_id, phase, chunk, finished)
    stopping.count(context, command, phase, finished)
    return StepResult()


def judge_phase(context: StepContext, command: Command, phase: str, listing: str) -> PhaseVerdict:
    """Judge one phase of a listing, and save its counts in the run.

    A report reads the counts from the run: the tallies of 100,000 companies are megabytes.
    """
    run = context.run(command)
    tallies = context.ledger.tallies(command.migration_id, phase, f"{listing}-")
    verdict = judge(tallies, run.chunks.get(listing, 0), command.epoch)
    counts = {counts_key(phase, listing): verdict.counts()}
    context.change_run(command, lambda run: replace(run, counted={**run.counted, **counts}))
    return verdict


def counts_key(phase: str, listing: str) -> str:
    """Return the name under which the run keeps the counts of a phase."""
    return f"{phase} {listing}"


def company_entry(company_id: str) -> str:
    """Return the name of a company's ledger entry."""
    return f"COMPANY#{company_id}"


def product_entry(company_id: str, product: str) -> str:
    """Return the name of the ledger entry of a product on a company."""
    return f"PRODUCT#{company_id}#{product}"
