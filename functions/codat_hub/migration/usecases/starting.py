"""Start a migration: its record first, then its execution. Whatever fails, another can start."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from codat_hub.errors import Conflict, Invalid, NotStarted, Problem, RequestReused, Unavailable
from codat_hub.migration.domain.run import CONTRACT, Run, Status, execution_name
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from codat_hub.migration.domain.run import Request
    from codat_hub.migration.usecases.lock import MigrationLock
    from codat_hub.products.domain.product import Product

TOO_LATE: Final = "another migration was started at this moment"
_KEYS: Final = uuid.UUID("a2d3a1c4-3f0b-4a43-9f53-7a1e5d1c8b60")  # a namespace of our own


class Ledger(Protocol):
    def get(self, migration_id: str) -> Run | None: ...
    def create(self, run: Run) -> bool: ...
    def change(self, migration_id: str, change: Callable[[Run], Run]) -> Run: ...
    def latest(self) -> tuple[str | None, int]: ...
    def take(self, migration_id: str, version: int) -> bool: ...


class Executions(Protocol):
    def start(self, name: str, state: Mapping[str, Any]) -> None: ...
    def has_begun(self, name: str) -> bool: ...


class Registry(Protocol):
    def products(self) -> Mapping[str, Product]: ...


@dataclass(frozen=True)
class StartMigration:
    """Raises Invalid, RequestReused, NotStarted, and Conflict while another one is active."""

    ledger: Ledger
    executions: Executions
    registry: Registry
    lock: MigrationLock
    now: Callable[[], datetime]

    def __call__(self, request: Request, by: str, key: str | None = None) -> Run:
        """`key`: the same of the same caller again is the same run, unless that never began."""
        self._check(request)
        migration_id, known = self._of_key(by, key) if key else (self._new_id(), None)
        if known is not None and known.request != request:
            raise RequestReused(
                f"The Idempotency-Key came with another body before: {migration_id}"
            )
        if known is not None and known.status is not Status.PLANNING:
            return known
        now = self.now()
        run = known or Run(
            migration_id=migration_id,
            request=request,
            started_at=now,
            started_by=by,
            execution=execution_name(migration_id),
            execution_at=now,
        )
        if request.dry_run:
            self.ledger.create(run)
        else:
            self._create_alone(run)
        self._begin(run)
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

    def _new_id(self) -> str:
        return f"m-{self.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"

    def _of_key(self, by: str, key: str) -> tuple[str, Run | None]:
        """Return the id of this key's run and the run, if there is one.

        One that failed before its execution began is followed by another: nothing came of it.
        """
        number = 0
        while True:
            migration_id = f"m-{uuid.uuid5(_KEYS, f'{by} {key} {number}').hex[:16]}"
            run = self.ledger.get(migration_id)
            failed = run is not None and run.status is Status.FAILED
            if run is None or not failed or self.executions.has_begun(run.execution):
                return migration_id, run
            number += 1

    def _create_alone(self, run: Run) -> None:
        """Create it, and become the one that was started last, if the one before is over."""
        before, version = self.ledger.latest()
        if before == run.migration_id:
            return  # the same request got as far before
        if other := self.lock.still_active(before):
            raise Conflict(
                f"migration {other.migration_id} is {other.status.value}: only one runs at a time. "
                "Watch it, or roll it back."
            )
        self.ledger.create(run)  # first: what is named as the latest can be looked up
        if self.ledger.take(run.migration_id, version):
            return
        if self.ledger.latest()[0] != run.migration_id:  # the same request at the same moment
            self._fail(run, TOO_LATE)
            raise Conflict(TOO_LATE)

    def _begin(self, run: Run) -> None:
        """Start its execution: under its own name, so that a repeat is the same one."""
        state = {
            "contract": CONTRACT,
            "entry": "start",
            "migration_id": run.migration_id,
            "epoch": 1,
        }
        try:
            self.executions.start(run.execution, state)
        except Unavailable as error:
            # an execution that begins all the same finds the run failed, and changes nothing
            if not self._has_begun(run) and self._fail(run, str(error)).status is Status.FAILED:
                raise NotStarted(f"migration {run.migration_id}: {error}") from error

    def _has_begun(self, run: Run) -> bool:
        try:
            return self.executions.has_begun(run.execution)
        except Unavailable:
            return False

    def _fail(self, run: Run, why: str) -> Run:
        def failed(one: Run) -> Run:
            begun = one.status is not Status.PLANNING
            return one if begun else one.ended(Status.FAILED, self.now(), why)

        return self.ledger.change(run.migration_id, failed)
