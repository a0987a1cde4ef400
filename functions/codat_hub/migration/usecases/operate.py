"""What people do with migrations: plan, start, approve, confirm, roll back, look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from codat_hub.errors import Absent, Conflict, Invalid, Problem
from codat_hub.migration.domain.run import (
    CONTRACT,
    MigrationRun,
    MigrationStatus,
    WaitingFor,
    execution_name,
)
from codat_hub.migration.steps import activity_4_new_webhooks
from codat_hub.migration.usecases import reports
from codat_hub.migration.usecases.lock import MigrationLock
from codat_hub.migration.usecases.starting import TOO_LATE, Registry, StartMigration
from codat_hub.telemetry import logger
from codat_hub.webhooks.fingerprint import fingerprint
from codat_hub.webhooks.signing_secret import signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.migration.domain.chunk import Tally
    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.domain.run import MigrationRequest

_UNDOING = frozenset({MigrationStatus.ROLLING_BACK, MigrationStatus.ROLLBACK_INCOMPLETE})


class Ledger(Protocol):
    def get(self, migration_id: str) -> MigrationRun | None: ...
    def create(self, run: MigrationRun) -> bool: ...
    def change(
        self, migration_id: str, change: Callable[[MigrationRun], MigrationRun]
    ) -> MigrationRun: ...
    def newest(self, limit: int = 100) -> list[MigrationRun]: ...
    def latest(self) -> tuple[str | None, int]: ...
    def take(self, migration_id: str, version: int) -> bool: ...
    def under(self, migration_id: str, prefix: str) -> dict[str, LedgerEntry]: ...
    def note(
        self, migration_id: str, name: str, change: Callable[[LedgerEntry], LedgerEntry]
    ) -> LedgerEntry: ...
    def tallies(self, migration_id: str, phase: str, listing: str = "") -> list[Tally]: ...


class Executions(Protocol):
    """The state machine's. `resume` tells whether the token was still awaited."""

    def start(self, name: str, state: Mapping[str, Any]) -> None: ...
    def has_begun(self, name: str) -> bool: ...
    def runs(self, name: str) -> bool: ...
    def is_over(self, name: str) -> bool: ...
    def stop(self, name: str, cause: str) -> None: ...
    def resume(self, token: str) -> bool: ...


class SigningSecrets(Protocol):
    def accept(self, consumer: str, secret: str) -> bool: ...


@dataclass(frozen=True)
class OperateMigrations:
    """`needs_another`: whether the approver has to be someone else than the starter."""

    ledger: Ledger
    executions: Executions
    signing_secrets: SigningSecrets
    registry: Registry
    needs_another: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def start(self, request: MigrationRequest, by: str, key: str | None = None) -> MigrationRun:
        """Start a run, or a dry run; see StartMigration."""
        start = StartMigration(self.ledger, self.executions, self.registry, self.lock, self.now)
        return start(request, by, key)

    @property
    def lock(self) -> MigrationLock:
        return MigrationLock(self.ledger, self.executions, self.now)

    def get(self, migration_id: str) -> MigrationRun:
        run = self.ledger.get(migration_id)
        if run is None:
            raise Absent(f"there is no migration {migration_id}")
        return run

    def newest(self) -> list[MigrationRun]:
        return self.ledger.newest()

    def approve(self, migration_id: str, by: str, seen: str | None = None) -> MigrationRun:
        """Approve the newest plan. Raises Conflict when none is awaited, or by the wrong person.

        seen: hash of the plan that was read; one that has been replaced meanwhile is refused
        """
        run = self._waiting(migration_id, WaitingFor.APPROVAL)
        if self.needs_another and by == run.started_by:
            raise Conflict("the approver must be someone else than who started the migration")
        if seen is not None and seen != run.plan_hash:
            raise Conflict(f"by now there is another plan, {run.plan_hash}: read and approve that")
        self.ledger.change(
            migration_id, lambda one: replace(one, approved_hash=run.plan_hash, approved_by=by)
        )
        return self._go_on(run)

    def confirm_webhooks_disabled(self, migration_id: str) -> MigrationRun:
        return self._go_on(self._waiting(migration_id, WaitingFor.WEBHOOKS_DISABLED))

    def confirm_webhooks_restored(self, migration_id: str) -> MigrationRun:
        return self._go_on(self._waiting(migration_id, WaitingFor.WEBHOOKS_RESTORED))

    def confirm_secret(self, migration_id: str, consumer_id: str, secret: str) -> MigrationRun:
        """Accept a consumer's signing secret from now on; with the last one the run goes on."""
        run = self._waiting(migration_id, WaitingFor.SIGNING_SECRET)
        created = {
            entry.detail["consumer_id"]: entry.detail
            for entry in self.ledger.under(migration_id, activity_4_new_webhooks.PREFIX).values()
            if entry.detail and entry.detail["hub_consumer"]
        }
        if consumer_id not in created:
            allowed = f"one of {', '.join(sorted(created))}"
            raise Invalid(
                Problem("consumer_id", "is no consumer of this run", consumer_id, allowed)
            )
        try:
            signing_key(secret)
        except ValueError as wrong:
            raise Invalid(Problem("secret", str(wrong))) from None
        new = self.signing_secrets.accept(created[consumer_id]["hub_consumer"], secret)
        name = f"{activity_4_new_webhooks.SECRET_PREFIX}{consumer_id}"
        brought = {fingerprint(secret)} if new else set()
        self.ledger.note(
            migration_id,
            name,
            lambda one: one.came_to("stored", sorted({*brought, *(one.detail or ())})),
        )
        stored = self.ledger.under(migration_id, activity_4_new_webhooks.SECRET_PREFIX)
        if all(f"{activity_4_new_webhooks.SECRET_PREFIX}{one}" in stored for one in created):
            return self._go_on(run)
        return self.get(migration_id)

    def _waiting(self, migration_id: str, what: WaitingFor) -> MigrationRun:
        run = self.get(migration_id)
        if run.pause is None or run.pause.waiting_for is not what:
            now = run.pause.waiting_for.value if run.pause else "nobody"
            raise Conflict(
                f"migration {migration_id} is {run.status.value} and waits for {now}, "
                f"not for {what.value}"
            )
        return run

    def _go_on(self, run: MigrationRun) -> MigrationRun:
        if run.pause and not self.executions.resume(run.pause.token):
            raise Conflict(
                f"migration {run.migration_id} does not wait any more: the time for it is over"
            )
        # only this wait: the next step may have begun another one already
        return self.ledger.change(
            run.migration_id,
            lambda one: (
                replace(
                    one,
                    pause=None,
                    status=MigrationStatus.RUNNING
                    if one.status is MigrationStatus.WAITING
                    else one.status,
                )
                if one.pause == run.pause
                else one
            ),
        )

    def rollback(self, migration_id: str, by: str, *, forced: bool = False) -> MigrationRun:
        """Go back, from wherever the run is. Raises Conflict when nothing is there to undo."""
        run = self.get(migration_id)
        _refuse_ended(run)
        if run.status is MigrationStatus.ROLLING_BACK and self.lock.lives(run):
            raise _already(run)
        before, version = self.ledger.latest()
        if before != migration_id and (other := self.lock.still_active(before)):
            raise Conflict(f"migration {other.migration_id} is {other.status.value}: wait for it")
        if run.status is MigrationStatus.COMPLETE and not forced:
            self._refuse_if_built_on(run)
        decided = self._decide(run, f"asked for by {by}", on_demand=True)
        # in this order, a start at this moment either meets the decision or is met here
        if not (run.request.dry_run or self.ledger.take(migration_id, version)):
            self._take_back(run, decided)
            raise Conflict(TOO_LATE)
        return self._launch(decided, forced=forced)

    def begin_rollback(self, run: MigrationRun, why: str) -> MigrationRun:
        """Go back without being asked. Raises Conflict when somebody else was faster."""
        return self._launch(self._decide(run, why, on_demand=False), forced=False)

    def _refuse_if_built_on(self, run: MigrationRun) -> None:
        """A later run may use its consumers, and may have switched the client's level off."""
        for later in self.ledger.newest():
            done = later.status is MigrationStatus.COMPLETE and not later.request.dry_run
            if done and later.started_at > run.started_at:
                raise Conflict(
                    f"migration {later.migration_id} came later and builds on it: roll that back "
                    "first, or force it"
                )

    def _decide(self, run: MigrationRun, why: str, *, on_demand: bool) -> MigrationRun:
        """Name the execution that goes back; from then on no step forward begins."""

        def decide(one: MigrationRun) -> MigrationRun:
            _refuse_ended(one)
            changed = one.status is not run.status and one.status is MigrationStatus.ROLLING_BACK
            if changed or one.execution != run.execution:
                raise _already(one)
            kept = one.error if one.status in _UNDOING else None
            return replace(
                one,
                attempts=one.attempts + 1,
                execution=execution_name(one.migration_id, one.attempts + 1),
                execution_at=self.now(),
                on_demand=one.on_demand or on_demand,
                status=MigrationStatus.ROLLING_BACK,
                pause=None,
                error=kept or why,
            )

        return self.ledger.change(run.migration_id, decide)

    def _take_back(self, run: MigrationRun, decided: MigrationRun) -> None:
        def as_before(one: MigrationRun) -> MigrationRun:
            if one.execution != decided.execution:
                return one
            return replace(run, attempts=one.attempts)

        self.ledger.change(run.migration_id, as_before)

    def _launch(self, run: MigrationRun, *, forced: bool) -> MigrationRun:
        """Stop every execution before this one, and start it."""
        for number in range(run.attempts):
            name = execution_name(run.migration_id, number)
            if self.executions.runs(name):
                self.executions.stop(name, run.error or "a rollback begins")
        state = {
            "contract": CONTRACT,
            "entry": "rollback",
            "migration_id": run.migration_id,
            "epoch": 0,
            "forced": forced,
        }
        self.executions.start(run.execution, state)
        logger.warning("rollback started", migration_id=run.migration_id, why=run.error)
        return run

    def counts(self, run: MigrationRun) -> dict[str, dict[str, int]]:
        return reports.counts(self.ledger, run)

    def report(self, migration_id: str) -> dict[str, Any]:
        return reports.report(self.ledger, self.get(migration_id))


def _refuse_ended(run: MigrationRun) -> None:
    if run.status in {MigrationStatus.PLANNED, MigrationStatus.FAILED, MigrationStatus.ROLLED_BACK}:
        raise Conflict(f"migration {run.migration_id} is {run.status.value}: nothing to roll back")


def _already(run: MigrationRun) -> Conflict:
    return Conflict(f"migration {run.migration_id} is rolling back already")
