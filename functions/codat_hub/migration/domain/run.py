"""One migration: the request, how far it is, what it waits for, and which undo matches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import Superseded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LEAST_KEPT: Final = 5  # companies that may keep a product in a rollback without a question
CONTRACT: Final = 1  # version of the state machine's inputs; code accepts the one before too
ACCEPTED_CONTRACTS: Final = (CONTRACT,)
LATE: Final = "late-"  # listings of companies that appeared during the run: late-1, late-2, …


class MigrationStatus(StrEnum):
    """How a migration stands."""

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
        """Whether nothing is left to do, so that the next migration may begin."""
        return self in {
            MigrationStatus.PLANNED,
            MigrationStatus.COMPLETE,
            MigrationStatus.ROLLED_BACK,
            MigrationStatus.FAILED,
        }

    @property
    def undoing(self) -> bool:
        """Whether a rollback goes on, has ended or has stopped."""
        return self in {
            MigrationStatus.ROLLING_BACK,
            MigrationStatus.ROLLED_BACK,
            MigrationStatus.ROLLBACK_INCOMPLETE,
        }

    @property
    def given_up(self) -> bool:
        """Whether the migration can go no step forward any more."""
        return self.undoing or self is MigrationStatus.FAILED


class WaitingFor(StrEnum):
    """What a run waits for when it stops for a person."""

    APPROVAL = "approval"
    WEBHOOKS_DISABLED = "webhooks_disabled"
    SIGNING_SECRET = "signing_secret"  # noqa: S105  # a name
    WEBHOOKS_RESTORED = "webhooks_restored"
    PRODUCTS_KEPT = "products_kept"


class Mode(StrEnum):
    """How old consumers are switched off: a person disables them, or the API deletes them."""

    PORTAL = "portal"
    API = "api"


class FirstLink(StrEnum):
    """Whether `fetchOnFirstLink` is kept when the schedules are switched off."""

    KEEP = "keep"
    OFF = "off"


class Stragglers(StrEnum):
    """What the run does if old reads are still running at the end of activity 2."""

    GO_ON = "go_on"
    ASK = "ask"


class Activity(StrEnum):
    """Activities 1 to 5 of Codat's guide, in its order (docs/codat.md, C67)."""

    DISABLE_CLIENT_SYNC = "disable_client_sync"
    WAIT_FOR_QUIET = "wait_for_quiet"
    DISABLE_OLD_WEBHOOKS = "disable_old_webhooks"
    CONFIGURE_NEW_WEBHOOKS = "configure_new_webhooks"
    ADD_PRODUCTS = "add_products"


class Undo(StrEnum):
    """The undos of activities 5, 4, 3 and 1, in the order of a rollback (docs/codat.md, C67)."""

    REMOVE_PRODUCTS = "remove_products"
    UNSUBSCRIBE_NEW_WEBHOOKS = "unsubscribe_new_webhooks"
    RESUBSCRIBE_OLD_WEBHOOKS = "resubscribe_old_webhooks"
    REENABLE_CLIENT_SYNC = "reenable_client_sync"
    NOTHING = "nothing"


# By the last activity that began: the undo that a rollback begins with.
_ENTERED_AT: Final[Mapping[Activity | None, Undo]] = {
    None: Undo.NOTHING,
    Activity.DISABLE_CLIENT_SYNC: Undo.REENABLE_CLIENT_SYNC,
    Activity.WAIT_FOR_QUIET: Undo.REENABLE_CLIENT_SYNC,
    Activity.DISABLE_OLD_WEBHOOKS: Undo.RESUBSCRIBE_OLD_WEBHOOKS,
    Activity.CONFIGURE_NEW_WEBHOOKS: Undo.UNSUBSCRIBE_NEW_WEBHOOKS,
    Activity.ADD_PRODUCTS: Undo.REMOVE_PRODUCTS,
}


def undo_of(reached: Activity | None) -> Undo:
    """Return the first undo of a run whose last activity is `reached`."""
    return _ENTERED_AT[reached]


@dataclass(frozen=True, slots=True)
class MigrationRequest:
    """A migration as the operator asked for it.

    company_ids: only these companies; tags: only companies with all of these; neither: all
    off_value: the `syncSchedule` that means off, if the client's settings do not show it
    tolerated_failures: how many companies may fail in one step without a rollback
    quiet_hours: how long activity 2 waits before its first look, None for the shortest schedule
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
    quiet_hours: int | None = None

    @property
    def tolerated_kept(self) -> int:
        """How many companies may keep a product in a rollback without a question."""
        return max(LEAST_KEPT, self.tolerated_failures)

    def covers(self, company_id: str, tags: Mapping[str, str]) -> bool:
        """Tell whether the migration includes a company with these tags."""
        if self.company_ids is not None:
            return company_id in self.company_ids
        wanted = self.tags or {}
        return all(tags.get(name) == value for name, value in wanted.items())


@dataclass(frozen=True, slots=True)
class Pause:
    """A stop for a person. `token` ends the wait of the state machine and is never shown."""

    waiting_for: WaitingFor
    since: datetime
    token: str = field(repr=False)
    instructions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationRun:
    """The state of one migration, which the ledger keeps as its head. Times are aware.

    execution: name of the newest execution; execution_at: when it was named, just before its start
    reached: the last activity that began, and so may have changed something
    attempts: how many executions were started to roll back; on_demand: whether a person asked
    plan, plan_hash: the newest plan; approved_hash: of the plan that was approved
    everyone: whether no company is left behind, so that the client's level is switched off too
    migrated: whether activities 1 to 5 are done; after that no failure rolls back
    listing: which companies the run covers; chunks: number of chunks by listing
    counted: the totals of each finished phase, by phase and listing
    disabled_at: when all schedules were off
    gap_from, gap_to: when old consumers went off, and when the new ones could deliver
    reads_from: when all products were added, so that first reads may come
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

    @property
    def late_listings(self) -> list[str]:
        """The listings of late companies that are not empty."""
        return [name for name, chunks in self.chunks.items() if name.startswith(LATE) and chunks]

    def began(self, activity: Activity) -> MigrationRun:
        """Record that an activity began. `reached` never goes back if a step is repeated."""
        order = list(Activity)
        later = self.reached is None or order.index(activity) > order.index(self.reached)
        return replace(self.forward(activity.value), reached=activity if later else self.reached)

    def forward(self, step: str) -> MigrationRun:
        """Record a step forward. Raises Superseded once the run rolls back or has failed."""
        if self.status.given_up:
            raise Superseded(
                f"{self.migration_id} is {self.status.value}: no step forward is possible"
            )
        return replace(self, status=MigrationStatus.RUNNING, step=step, pause=None)

    def noting(self, *notes: str) -> MigrationRun:
        """Add notes for the operator; a note that is there already is not repeated."""
        return replace(self, notes=tuple(dict.fromkeys((*self.notes, *notes))))

    def ended(
        self, status: MigrationStatus, now: datetime, error: str | None = None
    ) -> MigrationRun:
        """Return the run with its end; `error` None keeps the error."""
        return replace(
            self, status=status, pause=None, ended_at=now, error=error or self.error, step="end"
        )


def is_active(run: MigrationRun, execution_runs: bool) -> bool:
    """Tell whether a run blocks other runs.

    It does while its execution runs, and after that if it may have changed something: then it must
    be rolled back first.
    """
    if run.request.dry_run or run.status.final:
        return False
    return execution_runs or run.reached is not None


def execution_name(migration_id: str, rollback: int = 0) -> str:
    """Return an execution's name. The same name cannot be started twice."""
    return f"{migration_id}-rollback-{rollback}" if rollback else migration_id


def migration_of(execution: str) -> str:
    """Return the id of the migration that an execution belongs to."""
    return execution.partition("-rollback-")[0]
