"""One migration: what was asked for, how far it is, whom it waits for, and what undoes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Superseded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

CONTRACT: Final = 1  # of the state machine's inputs; code accepts the version before as well
ACCEPTED_CONTRACTS: Final = (CONTRACT,)


class MigrationStatus(StrEnum):
    PLANNING = "planning"
    PLANNED = "planned"  # the end of a dry run
    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_INCOMPLETE = "rollback_incomplete"
    FAILED = "failed"  # ended before any side effect

    @property
    def final(self) -> bool:
        """Tell whether nothing is left to do: the next migration may begin."""
        return self in {
            MigrationStatus.PLANNED,
            MigrationStatus.COMPLETE,
            MigrationStatus.ROLLED_BACK,
            MigrationStatus.FAILED,
        }

    @property
    def given_up(self) -> bool:
        """Tell whether there is no way forward any more."""
        back = {
            MigrationStatus.ROLLING_BACK,
            MigrationStatus.ROLLED_BACK,
            MigrationStatus.ROLLBACK_INCOMPLETE,
        }
        return self in {*back, MigrationStatus.FAILED}


class WaitingFor(StrEnum):
    APPROVAL = "approval"
    WEBHOOKS_DISABLED = "webhooks_disabled"
    SIGNING_SECRET = "signing_secret"  # noqa: S105  # a name
    WEBHOOKS_RESTORED = "webhooks_restored"


class Mode(StrEnum):
    """How old consumers are switched off: by a person in the Portal, or deleted by the API."""

    PORTAL = "portal"
    API = "api"


class FirstLink(StrEnum):
    """What becomes of `fetchOnFirstLink` when the schedules are switched off."""

    KEEP = "keep"
    OFF = "off"


class Stragglers(StrEnum):
    """What happens when reads are still running at the end of the wait for quiet."""

    GO_ON = "go_on"
    ASK = "ask"


class Activity(StrEnum):
    """The five activities of Codat's guide, in its order (docs/codat.md, C67)."""

    DISABLE_CLIENT_SYNC = "disable_client_sync"
    WAIT_FOR_QUIET = "wait_for_quiet"
    DISABLE_OLD_WEBHOOKS = "disable_old_webhooks"
    CONFIGURE_NEW_WEBHOOKS = "configure_new_webhooks"
    ADD_PRODUCTS = "add_products"


class Undo(StrEnum):
    """The rollback's actions, in the order of Codat's guide (docs/codat.md, C67)."""

    REMOVE_PRODUCTS = "remove_products"
    UNSUBSCRIBE_NEW_WEBHOOKS = "unsubscribe_new_webhooks"
    RESUBSCRIBE_OLD_WEBHOOKS = "resubscribe_old_webhooks"
    REENABLE_CLIENT_SYNC = "reenable_client_sync"
    NOTHING = "nothing"


# Where the undo chain is entered, by the last activity that was begun.
_ENTERED_AT: Final[Mapping[Activity | None, Undo]] = {
    None: Undo.NOTHING,
    Activity.DISABLE_CLIENT_SYNC: Undo.REENABLE_CLIENT_SYNC,
    Activity.WAIT_FOR_QUIET: Undo.REENABLE_CLIENT_SYNC,
    Activity.DISABLE_OLD_WEBHOOKS: Undo.RESUBSCRIBE_OLD_WEBHOOKS,
    Activity.CONFIGURE_NEW_WEBHOOKS: Undo.UNSUBSCRIBE_NEW_WEBHOOKS,
    Activity.ADD_PRODUCTS: Undo.REMOVE_PRODUCTS,
}


def undo_of(reached: Activity | None) -> Undo:
    """Return the undo that matches how far a run got."""
    return _ENTERED_AT[reached]


@dataclass(frozen=True, slots=True)
class MigrationRequest:
    """What the operator asked for.

    company_ids: only these; tags: only companies that have all of these; neither: every company.
    off_value: what `syncSchedule` says for "off", where the client's own settings do not show it.
    """

    products: tuple[str, ...]
    company_ids: tuple[str, ...] | None = None
    tags: Mapping[str, str] | None = None
    mode: Mode = Mode.PORTAL
    dry_run: bool = False
    fetch_on_first_link: FirstLink = FirstLink.KEEP
    off_value: int | None = None
    stragglers: Stragglers = Stragglers.GO_ON
    tolerated_failures: int = 0

    def covers(self, company_id: str, tags: Mapping[str, str]) -> bool:
        if self.company_ids is not None:
            return company_id in self.company_ids
        wanted = self.tags or {}
        return all(tags.get(name) == value for name, value in wanted.items())


@dataclass(frozen=True, slots=True)
class Pause:
    """A person is awaited. `token` is the state machine's; it ends the wait, and is never shown."""

    waiting_for: WaitingFor
    since: datetime
    token: str = field(repr=False)
    instructions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationRun:
    """The ledger's head of one migration. Times are aware.

    reached: the last activity that was begun, so that may have had an effect
    execution: name of the newest execution; attempts: how many were started for a rollback
    execution_at: when it was named; it is started a moment later, or never
    plan, plan_hash: of the newest plan; approved_hash: of the plan that was approved
    migrated: all five activities are done; from then on nothing rolls back by itself
    everyone: the run leaves nobody behind, so it switches the client level off as well
    reads_from: when all products were added, so that first reads began to be waited for
    listing: of which companies the run is; chunks: how many there are of each listing
    counted: by phase and listing, what became of it, once all its chunks were judged
    """

    migration_id: str
    request: MigrationRequest
    started_at: datetime
    started_by: str
    execution: str
    execution_at: datetime | None = None
    status: MigrationStatus = MigrationStatus.PLANNING
    step: str = "plan"
    reached: Activity | None = None
    pause: Pause | None = None
    attempts: int = 0
    on_demand: bool = False
    plan: Mapping[str, Any] | None = None
    plan_hash: str | None = None
    approved_hash: str | None = None
    approved_by: str | None = None
    everyone: bool = True
    migrated: bool = False
    listing: str = "plan"
    chunks: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    off_value: int | None = None
    disabled_at: datetime | None = None
    gap_from: datetime | None = None
    gap_to: datetime | None = None
    reads_from: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()

    def began(self, activity: Activity) -> MigrationRun:
        """Note that an activity has begun. Never a step back: an earlier one may be repeated."""
        order = list(Activity)
        later = self.reached is None or order.index(activity) > order.index(self.reached)
        return replace(self.forward(activity.value), reached=activity if later else self.reached)

    def forward(self, step: str) -> MigrationRun:
        """Note a step forward. Raises Superseded once the run goes back, or was called dead."""
        if self.status.given_up:
            raise Superseded(f"{self.migration_id} is {self.status.value}: it goes no step forward")
        return replace(self, status=MigrationStatus.RUNNING, step=step, pause=None)

    def noting(self, *notes: str) -> MigrationRun:
        """Add what the operator must know, each once."""
        return replace(self, notes=tuple(dict.fromkeys((*self.notes, *notes))))

    def ended(
        self, status: MigrationStatus, now: datetime, error: str | None = None
    ) -> MigrationRun:
        return replace(
            self, status=status, pause=None, ended_at=now, error=error or self.error, step="end"
        )


def is_active(run: MigrationRun, execution_runs: bool) -> bool:
    """Tell whether a run keeps others from starting: by its execution and what it has changed.

    So nothing can leave a lock behind: a run that died before any side effect holds nothing.
    """
    if run.request.dry_run or run.status.final:
        return False
    return execution_runs or run.reached is not None


def execution_name(migration_id: str, rollback: int = 0) -> str:
    """Name an execution: by its migration, so that a second start of the same is refused."""
    return f"{migration_id}-rollback-{rollback}" if rollback else migration_id


def migration_of(execution: str) -> str:
    return execution.partition("-rollback-")[0]
