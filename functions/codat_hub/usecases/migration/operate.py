"""What people do with migrations: plan, start, approve, confirm, roll back, look."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from codat_hub.domain.migration.entry import Entry
from codat_hub.domain.migration.run import (
    CONTRACT,
    Run,
    Status,
    WaitingFor,
    execution_name,
)
from codat_hub.domain.signing_secret import signing_key
from codat_hub.errors import Absent, Conflict, Invalid, Problem
from codat_hub.telemetry import logger
from codat_hub.usecases.migration import (
    client_sync,
    new_webhooks,
    old_webhooks,
    products,
    quiet,
    verify_reads,
)
from codat_hub.usecases.migration.lock import MigrationLock
from codat_hub.usecases.migration.planning import CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codat_hub.domain.migration.chunk import Tally
    from codat_hub.domain.migration.run import Request
    from codat_hub.domain.product import Product

_PHASES = ("survey", "snapshot", client_sync.PHASE, quiet.PHASE, products.PHASE, verify_reads.PHASE)
_UNDO_PHASES = (products.UNDO_PHASE, client_sync.UNDO_PHASE)


class Ledger(Protocol):
    def get(self, migration_id: str) -> Run | None: ...
    def create(self, run: Run) -> bool: ...
    def change(self, migration_id: str, change: Callable[[Run], Run]) -> Run: ...
    def newest(self, limit: int = 100) -> list[Run]: ...
    def latest(self) -> tuple[str | None, int]: ...
    def take(self, migration_id: str, version: int) -> bool: ...
    def under(self, migration_id: str, prefix: str) -> dict[str, Entry]: ...
    def first(self, migration_id: str, name: str, entry: Entry) -> Entry: ...
    def tallies(self, migration_id: str, phase: str, listing: str = "") -> list[Tally]: ...


class Executions(Protocol):
    """The state machine's. `resume` tells whether the token was still awaited."""

    def start(self, name: str, state: Mapping[str, Any]) -> None: ...
    def runs(self, name: str) -> bool: ...
    def stop(self, name: str, cause: str) -> None: ...
    def resume(self, token: str) -> bool: ...


class SigningSecrets(Protocol):
    def accept(self, consumer: str, secret: str) -> None: ...


class Registry(Protocol):
    def products(self) -> Mapping[str, Product]: ...


@dataclass(frozen=True)
class Migrations:
    """`needs_another`: whether the approver has to be someone else than the starter."""

    ledger: Ledger
    executions: Executions
    signing_secrets: SigningSecrets
    registry: Registry
    needs_another: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def start(self, request: Request, by: str) -> Run:
        """Start a run, or a dry run. Raises Invalid, and Conflict while another one is active."""
        self._check(request)
        now = self.now()
        migration_id = f"m-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        run = Run(
            migration_id=migration_id,
            request=request,
            started_at=now,
            started_by=by,
            execution=execution_name(migration_id),
        )
        if not request.dry_run:
            self._take(run)
        self.ledger.create(run)
        state = {"contract": CONTRACT, "entry": "start", "migration_id": migration_id, "epoch": 1}
        self.executions.start(run.execution, state)
        logger.info("migration started", migration_id=migration_id, by=by, dry_run=request.dry_run)
        return run

    def _check(self, request: Request) -> None:
        registered = self.registry.products()
        allowed = ", ".join(sorted(registered)) or "none: no product is registered with the hub"
        if not request.products:
            raise Invalid(Problem("products", "is empty", "[]", f"at least one of {allowed}"))
        problems = [
            Problem("products", "is not registered with the hub", one, f"one of {allowed}")
            for one in request.products
            if one not in registered
        ]
        if problems:
            raise Invalid(*problems)

    def _take(self, run: Run) -> None:
        """Become the one that was started last, if the one before is over."""
        before, version = self.ledger.latest()
        if other := self._lock.still_active(before):
            raise Conflict(
                f"migration {other.migration_id} is {other.status.value}: only one runs at a time. "
                "Watch it, or roll it back."
            )
        if not self.ledger.take(run.migration_id, version):
            raise Conflict("another migration was started at this moment")

    @property
    def _lock(self) -> MigrationLock:
        return MigrationLock(self.ledger, self.executions)

    def get(self, migration_id: str) -> Run:
        run = self.ledger.get(migration_id)
        if run is None:
            raise Absent(f"there is no migration {migration_id}")
        return run

    def newest(self) -> list[Run]:
        return self.ledger.newest()

    def approve(self, migration_id: str, by: str) -> Run:
        """Approve the newest plan. Raises Conflict when none is awaited, or by the wrong person."""
        run = self._waiting(migration_id, WaitingFor.APPROVAL)
        if self.needs_another and by == run.started_by:
            raise Conflict("the approver must be someone else than who started the migration")
        self.ledger.change(
            migration_id, lambda one: replace(one, approved_hash=one.plan_hash, approved_by=by)
        )
        return self._go_on(run)

    def confirm_webhooks_disabled(self, migration_id: str) -> Run:
        return self._go_on(self._waiting(migration_id, WaitingFor.WEBHOOKS_DISABLED))

    def confirm_webhooks_restored(self, migration_id: str) -> Run:
        return self._go_on(self._waiting(migration_id, WaitingFor.WEBHOOKS_RESTORED))

    def confirm_secret(self, migration_id: str, consumer_id: str, secret: str) -> Run:
        """Accept a consumer's signing secret from now on; with the last one the run goes on."""
        run = self._waiting(migration_id, WaitingFor.SIGNING_SECRET)
        created = {
            entry.detail["consumer_id"]: entry.detail
            for entry in self.ledger.under(migration_id, new_webhooks.PREFIX).values()
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
        self.signing_secrets.accept(created[consumer_id]["hub_consumer"], secret)
        name = f"{new_webhooks.SECRET_PREFIX}{consumer_id}"
        self.ledger.first(migration_id, name, Entry(outcome="stored"))
        stored = self.ledger.under(migration_id, new_webhooks.SECRET_PREFIX)
        if all(f"{new_webhooks.SECRET_PREFIX}{one}" in stored for one in created):
            return self._go_on(run)
        return self.get(migration_id)

    def _waiting(self, migration_id: str, what: WaitingFor) -> Run:
        run = self.get(migration_id)
        if run.pause is None or run.pause.waiting_for is not what:
            now = run.pause.waiting_for.value if run.pause else "nobody"
            raise Conflict(
                f"migration {migration_id} is {run.status.value} and waits for {now}, "
                f"not for {what.value}"
            )
        return run

    def _go_on(self, run: Run) -> Run:
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
                    status=Status.RUNNING if one.status is Status.WAITING else one.status,
                )
                if one.pause == run.pause
                else one
            ),
        )

    def rollback(self, migration_id: str, by: str, *, forced: bool = False) -> Run:
        """Go back, from wherever the run is. Raises Conflict when nothing is there to undo."""
        run = self.get(migration_id)
        if run.status in {Status.PLANNED, Status.FAILED, Status.ROLLED_BACK}:
            raise Conflict(f"migration {migration_id} is {run.status.value}: nothing to roll back")
        if run.status is Status.ROLLING_BACK and self.executions.runs(run.execution):
            raise Conflict(f"migration {migration_id} is rolling back already")
        before, version = self.ledger.latest()
        if before != migration_id and run.status is Status.COMPLETE:
            if other := self._lock.still_active(before):
                raise Conflict(
                    f"migration {other.migration_id} is {other.status.value}: wait for it"
                )
            self.ledger.take(migration_id, version)
        return self.begin_rollback(run, f"asked for by {by}", on_demand=True, forced=forced)

    def begin_rollback(self, run: Run, why: str, *, on_demand: bool, forced: bool = False) -> Run:
        """Start an execution that goes back, and stop the one that may still go forward."""
        old = run.execution
        changed = self.ledger.change(
            run.migration_id,
            lambda one: replace(
                one,
                attempts=one.attempts + 1,
                execution=execution_name(one.migration_id, one.attempts + 1),
                on_demand=one.on_demand or on_demand,
                status=Status.ROLLING_BACK,
                error=why if one.status is not Status.ROLLING_BACK else one.error,
            ),
        )
        if self.executions.runs(old):
            self.executions.stop(old, why)
        state = {
            "contract": CONTRACT,
            "entry": "rollback",
            "migration_id": run.migration_id,
            "epoch": 0,
            "forced": forced,
        }
        self.executions.start(changed.execution, state)
        logger.warning("rollback started", migration_id=run.migration_id, why=why)
        return changed

    def counts(self, run: Run) -> dict[str, dict[str, int]]:
        """Return per phase how many chunks there are and what became of companies and pairs."""
        going_back = run.status in {
            Status.ROLLING_BACK,
            Status.ROLLED_BACK,
            Status.ROLLBACK_INCOMPLETE,
        }
        counts = {}
        for phase in (*_PHASES, *(_UNDO_PHASES if going_back else ())):
            tallies = self.ledger.tallies(run.migration_id, phase)
            if tallies:
                counts[phase] = {
                    "chunks": sum(one.finished for one in tallies),
                    "of_chunks": _expected(run, phase),
                    "done": sum(one.done for one in tallies),
                    "skipped": sum(one.skipped for one in tallies),
                    "failed": sum(one.failed for one in tallies),
                    "open": sum(one.open for one in tallies),
                }
        return counts

    def report(self, migration_id: str) -> dict[str, Any]:
        """Return what the run changed and what it took back, with all that was noted on the way."""
        run = self.get(migration_id)
        old = self.ledger.under(migration_id, old_webhooks.PREFIX)
        new = self.ledger.under(migration_id, new_webhooks.PREFIX)
        client = self.ledger.under(migration_id, CLIENT).get(CLIENT, Entry())
        gap = {"from": run.gap_from, "to": _gap_to(run)} if run.gap_from else None
        return {
            "migration_id": migration_id,
            "status": run.status.value,
            "started_by": run.started_by,
            "approved_by": run.approved_by,
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "error": run.error,
            "client_settings": _fate(client),
            "old_consumers": [{"url": one.before["url"], **_fate(one)} for one in old.values()],
            "new_consumers": [{"url": one.before["url"], **_fate(one)} for one in new.values()],
            # events of this time missed consumers that are there now: the Portal replays them
            "replay_missed": gap,
            "counts": self.counts(run),
            "notes": list(run.notes),
        }


def _gap_to(run: Run) -> datetime | None:
    """Return when all that listens now listened again; None: not yet."""
    match run.status:
        case Status.ROLLED_BACK:  # old consumers missed everything until then
            return run.ended_at
        case Status.ROLLING_BACK | Status.ROLLBACK_INCOMPLETE:
            return None
    return run.gap_to


def _expected(run: Run, phase: str) -> int:
    if phase == "survey":
        return run.chunks.get("plan", 0)
    if phase in {*_UNDO_PHASES, verify_reads.PHASE}:
        return run.chunks.get("undo", 0)
    late = sum(
        count
        for name, count in run.chunks.items()
        if name.startswith("late-") and phase == products.PHASE
    )
    return run.chunks.get(run.listing, 0) + late


def _fate(entry: Entry) -> dict[str, Any]:
    return {
        "changed": entry.intended is not None,
        "outcome": entry.outcome,
        "undone": entry.undone,
    }
