"""Start a migration: write its run first, then start its execution.

If that fails at any point, the next migration can start.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codat_hub.errors import Conflict, Invalid, NotStarted, Problem, RequestReused, Unavailable
from codat_hub.migration.domain.run import CONTRACT, MigrationRun, MigrationStatus, execution_name
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.migration.domain.run import MigrationRequest
    from codat_hub.migration.ports import Executions, Ledger
    from codat_hub.migration.usecases.lock import MigrationLock
    from codat_hub.products.ports import Products

TOO_LATE: Final = "another migration was started at this moment"
_KEYS: Final = uuid.UUID("a2d3a1c4-3f0b-4a43-9f53-7a1e5d1c8b60")  # our namespace


@dataclass(frozen=True)
class StartMigration:
    """Starts a migration or a dry run.

    Raises Invalid, RequestReused, NotStarted, and Conflict while another migration is active.
    """

    ledger: Ledger
    executions: Executions
    registry: Products
    lock: MigrationLock
    now: Callable[[], datetime]

    def __call__(self, request: MigrationRequest, by: str, key: str | None = None) -> MigrationRun:
        """Return the run. The same `key` of the same caller is the same run.

        If a run with this key failed before its execution began, the key starts another run.
        """
        self._check(request)
        migration_id, known = self._of_key(by, key) if key else (self._new_id(), None)
        if known is not None and known.request != request:
            raise RequestReused(
                f"The Idempotency-Key came with another body before, for migration {migration_id}."
            )
        if known is not None and known.status is not MigrationStatus.PLANNING:
            return known
        now = self.now()
        run = known or MigrationRun(
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

    def _check(self, request: MigrationRequest) -> None:
        registered = self.registry.products()
        allowed = ", ".join(sorted(registered)) or "none: no product is registered with the hub"
        if not request.products:
            raise Invalid(Problem("products", "is empty", "[]", f"at least one of {allowed}"))
        problems = [
            Problem("products", "is not registered with the hub", product, f"one of {allowed}")
            for product in request.products
            if product not in registered
        ]
        if problems:
            raise Invalid(*problems)

    def _new_id(self) -> str:
        return f"m-{self.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"

    def _of_key(self, by: str, key: str) -> tuple[str, MigrationRun | None]:
        """Return the id for this key, and its run if there is one.

        Runs that failed before their execution began are passed over.
        """
        number = 0
        while True:
            migration_id = f"m-{uuid.uuid5(_KEYS, f'{by} {key} {number}').hex[:16]}"
            run = self.ledger.get(migration_id)
            failed = run is not None and run.status is MigrationStatus.FAILED
            if run is None or not failed or self.executions.has_begun(run.execution):
                return migration_id, run
            number += 1

    def _create_alone(self, run: MigrationRun) -> None:
        """Create the run and make it the latest one, unless another migration is active."""
        latest, version = self.ledger.latest()
        if latest == run.migration_id:
            return  # an earlier try of the same request came this far
        if other := self.lock.still_active(latest):
            raise Conflict(
                f"migration {other.migration_id} is {other.status.value}, and only one runs at a "
                f"time: run tools/hub migrations watch {other.migration_id}"
            )
        self.ledger.create(run)  # first: the latest run can always be read
        if self.ledger.take(run.migration_id, version):
            return
        # The same request at the same moment may have made it the latest.
        if self.ledger.latest()[0] != run.migration_id:
            self._fail(run, TOO_LATE)
            raise Conflict(TOO_LATE)

    def _begin(self, run: MigrationRun) -> None:
        """Start the execution under its own name, so that a repeat starts no second one."""
        state = {
            "contract": CONTRACT,
            "entry": "start",
            "migration_id": run.migration_id,
            "epoch": 1,
        }
        try:
            self.executions.start(run.execution, state)
        except Unavailable as error:
            # If the execution begins all the same, it finds the run failed and changes nothing.
            if (
                not self._has_begun(run)
                and self._fail(run, str(error)).status is MigrationStatus.FAILED
            ):
                raise NotStarted(f"migration {run.migration_id}: {error}") from error

    def _has_begun(self, run: MigrationRun) -> bool:
        try:
            return self.executions.has_begun(run.execution)
        except Unavailable:
            return False

    def _fail(self, run: MigrationRun, why: str) -> MigrationRun:
        """End the run as failed, unless its execution has changed its status already."""

        def failed(run: MigrationRun) -> MigrationRun:
            if run.status is not MigrationStatus.PLANNING:
                return run
            return run.ended(MigrationStatus.FAILED, self.now(), why)

        return self.ledger.change(run.migration_id, failed)
