"""Everything that people do with migrations: start, approve, confirm, roll back, look."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from codat_hub.errors import Absent, Conflict, Invalid, Problem
from codat_hub.migration.domain.consumers import shown
from codat_hub.migration.domain.run import MigrationRun, MigrationStatus, WaitingFor
from codat_hub.migration.steps import activity_3_old_webhooks, activity_4_new_webhooks
from codat_hub.migration.steps.activity_4_new_webhooks import secret_entry
from codat_hub.migration.steps.settling import ItemToSettle, Settle
from codat_hub.migration.usecases import outages, reports
from codat_hub.migration.usecases.lock import MigrationLock
from codat_hub.migration.usecases.reports import RunStanding
from codat_hub.migration.usecases.starting import StartMigration
from codat_hub.migration.usecases.starting_rollback import StartRollback
from codat_hub.webhooks.fingerprint import fingerprint
from codat_hub.webhooks.signing_secret import signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codat_hub.companies.ports import Assignments
    from codat_hub.migration.domain.consumers import Consumer
    from codat_hub.migration.domain.run import MigrationRequest
    from codat_hub.migration.ports import AcceptedSecrets, Executions, Ledger
    from codat_hub.products.ports import Products


@dataclass(frozen=True)
class OperateMigrations:
    """The commands of people. Each raises Absent for an unknown migration, and Unavailable.

    consumers: lists the webhook consumers at Codat; raises a subclass of CallFailed
    needs_another: whether the plan must be approved by another identity than the starter's
    """

    ledger: Ledger
    executions: Executions
    signing_secrets: AcceptedSecrets
    registry: Products
    assignments: Assignments
    consumers: Callable[[], Sequence[Consumer]] = field(kw_only=True)
    needs_another: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def lock(self) -> MigrationLock:
        return MigrationLock(self.ledger, self.executions, self.now)

    def start(self, request: MigrationRequest, by: str, key: str | None = None) -> MigrationRun:
        """Start a migration or a dry run; see StartMigration."""
        start = StartMigration(self.ledger, self.executions, self.registry, self.lock, self.now)
        return start(request, by, key)

    def rollback(self, migration_id: str, by: str, *, forced: bool = False) -> MigrationRun:
        """Roll back a migration, from wherever it is; see StartRollback."""
        run = self.get(migration_id)
        start = StartRollback(self.ledger, self.executions, self.lock, self.now)
        return start.on_demand(run, by, forced=forced)

    def get(self, migration_id: str) -> MigrationRun:
        run = self.ledger.get(migration_id)
        if run is None:
            raise Absent(f"there is no migration {migration_id}")
        return run

    def newest(self) -> list[MigrationRun]:
        return self.ledger.newest()

    def counts(self, run: MigrationRun) -> dict[str, dict[str, int]]:
        return reports.counts(self.ledger, run)

    def standing(self, run: MigrationRun) -> RunStanding:
        return RunStanding.of(self.ledger, run, self.now())

    def waits_for(self, run: MigrationRun) -> str | None:
        return outages.waits_for(self.ledger, run)

    def report(self, migration_id: str) -> dict[str, Any]:
        return reports.report(self.ledger, self.get(migration_id))

    def approve(self, migration_id: str, by: str, seen: str | None = None) -> MigrationRun:
        """Approve the newest plan, so that the run goes on; or a rollback's going on.

        seen: hash of the plan that the person read; None approves whichever is the newest

        Raises Conflict if the run does not wait for approval, if there is a newer plan than
        `seen`, or if another person has to approve.
        """
        run = self.get(migration_id)
        if run.pause and run.pause.waiting_for is WaitingFor.PRODUCTS_KEPT:
            note = f"{by} let the rollback go on while companies keep products"
            self.ledger.change(migration_id, lambda current: current.noting(note))
            return self._go_on(run)
        run = self._waiting(migration_id, WaitingFor.APPROVAL)
        if self.needs_another and _identity(by) == _identity(run.started_by):
            raise Conflict("the plan must be approved by someone else than its starter")
        if seen is not None and seen != run.plan_hash:
            raise Conflict(
                f"there is another plan now, {run.plan_hash}: read it with "
                f"tools/hub migrations watch {migration_id}, then approve it"
            )
        self.ledger.change(
            migration_id,
            lambda current: replace(current, approved_hash=run.plan_hash, approved_by=by),
        )
        return self._go_on(run)

    def settle(self, migration_id: str, by: str, item: ItemToSettle, reason: str) -> MigrationRun:
        """Leave one item of an incomplete rollback as it is; see Settle."""
        settle = Settle(self.ledger, self.assignments, self.registry, self.now)
        return settle(self.get(migration_id), by, item, reason)

    def confirm_webhooks_disabled(self, migration_id: str) -> MigrationRun:
        """End the wait of activity 3. Raises Conflict if an old consumer is still enabled."""
        run = self._waiting(migration_id, WaitingFor.WEBHOOKS_DISABLED)
        enabled = {found.consumer_id for found in self.consumers() if not found.disabled}
        old = activity_3_old_webhooks.still_on(self.ledger, migration_id)
        wrong = [consumer for consumer in old if consumer.consumer_id in enabled]
        _require_none(
            wrong, "still enabled", "disable", f"confirm-webhooks-disabled {migration_id}"
        )
        return self._go_on(run)

    def confirm_webhooks_restored(self, migration_id: str) -> MigrationRun:
        """End the wait of the undo of activity 3. Raises Conflict if one is still disabled."""
        run = self._waiting(migration_id, WaitingFor.WEBHOOKS_RESTORED)
        disabled = {found.consumer_id for found in self.consumers() if found.disabled}
        old = activity_3_old_webhooks.to_restore(self.ledger, migration_id)
        wrong = [consumer for consumer in old if consumer.consumer_id in disabled]
        _require_none(
            wrong, "still disabled", "enable", f"confirm-webhooks-restored {migration_id}"
        )
        return self._go_on(run)

    def confirm_secret(self, migration_id: str, consumer_id: str, secret: str) -> MigrationRun:
        """Accept the signing secret of a new consumer from now on.

        The run goes on with the last one. Raises Invalid for a malformed secret or a consumer that
        is not the run's, and Conflict if the run does not wait for secrets.
        """
        run = self._waiting(migration_id, WaitingFor.SIGNING_SECRET)
        created = activity_4_new_webhooks.created_at_hub(self.ledger, migration_id)
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
        brought = {fingerprint(secret)} if new else set()
        self.ledger.note(
            migration_id,
            secret_entry(consumer_id),
            lambda entry: entry.came_to("stored", sorted({*brought, *(entry.detail or ())})),
        )
        if activity_4_new_webhooks.without_secret(self.ledger, migration_id):
            return self.get(migration_id)
        return self._go_on(run)

    def _waiting(self, migration_id: str, what: WaitingFor) -> MigrationRun:
        """Return the run if it waits for this. Raises Conflict."""
        run = self.get(migration_id)
        if run.pause is None or run.pause.waiting_for is not what:
            reason = (
                f"waits for {run.pause.waiting_for.value}" if run.pause else "waits for no person"
            )
            raise Conflict(
                f"migration {migration_id} is {run.status.value} and {reason}, not for {what.value}"
            )
        return run

    def _go_on(self, run: MigrationRun) -> MigrationRun:
        """End the wait that the run was read with."""
        if run.pause and not self.executions.resume(run.pause.token):
            raise Conflict(f"the wait of migration {run.migration_id} is over already")

        def without_pause(current: MigrationRun) -> MigrationRun:
            if current.pause != run.pause:
                return current  # the next step has begun a wait of its own
            waiting = current.status is MigrationStatus.WAITING
            status = MigrationStatus.RUNNING if waiting else current.status
            return replace(current, pause=None, status=status)

        return self.ledger.change(run.migration_id, without_pause)


def _require_none(wrong: Sequence[Consumer], how: str, action: str, command: str) -> None:
    if wrong:
        names = ", ".join(f"{consumer.consumer_id} ({shown(consumer.url)})" for consumer in wrong)
        raise Conflict(
            f"{how} at Codat: {names}. In the Codat Portal, Developers > Webhooks, {action} them, "
            f"then run tools/hub migrations {command} again"
        )


def _identity(arn: str) -> str:
    """Return the identity behind a session: a role's session name is chosen by its user."""
    return re.sub(r":assumed-role/(.+)/[^/]+$", r":assumed-role/\1", arn)
