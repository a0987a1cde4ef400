"""Report from the ledger how far a migration is, and what it changed and took back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codat_hub.migration.domain.consumers import shown
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.steps import (
    activity_1_client_sync,
    activity_2_quiet,
    activity_3_old_webhooks,
    activity_4_new_webhooks,
    activity_5_products,
    verify_reads,
)
from codat_hub.migration.usecases.context import CLIENT, counts_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import Ledger

_PHASES = (
    "survey",
    "snapshot",
    activity_1_client_sync.PHASE,
    activity_2_quiet.PHASE,
    activity_5_products.PHASE,
    verify_reads.PHASE,
)
_UNDO_PHASES = (activity_5_products.UNDO_PHASE, activity_1_client_sync.UNDO_PHASE)


def counts(ledger: Ledger, run: MigrationRun) -> dict[str, dict[str, int]]:
    """Return the counts of each phase that has begun, in the order of the phases.

    Each has `done`, `skipped`, `failed` and `open` (companies, or products on companies), and
    `chunks` of `of_chunks`.
    """
    going_back = run.status in {
        MigrationStatus.ROLLING_BACK,
        MigrationStatus.ROLLED_BACK,
        MigrationStatus.ROLLBACK_INCOMPLETE,
    }
    totals = {}
    for phase in (*_PHASES, *(_UNDO_PHASES if going_back else ())):
        parts = [_counts(ledger, run, phase, listing) for listing in _listings(run, phase)]
        if any(part["chunks"] or part["failed"] for part in parts):
            totals[phase] = {name: sum(part[name] for part in parts) for name in parts[0]}
    return totals


def report(ledger: Ledger, run: MigrationRun) -> dict[str, Any]:
    """Return what the run changed and took back, with all its notes.

    replay_missed: the time in which present consumers missed events, for the Portal to replay
    """
    old = ledger.under(run.migration_id, activity_3_old_webhooks.PREFIX)
    new = ledger.under(run.migration_id, activity_4_new_webhooks.PREFIX)
    client = ledger.under(run.migration_id, CLIENT).get(CLIENT, LedgerEntry())
    return {
        "migration_id": run.migration_id,
        "status": run.status.value,
        "started_by": run.started_by,
        "approved_by": run.approved_by,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "error": run.error,
        "client_settings": _outcome(client),
        "old_consumers": [_consumer(entry) for entry in old.values()],
        "new_consumers": [_consumer(entry) for entry in new.values()],
        "replay_missed": {"from": run.gap_from, "to": _gap_to(run)} if run.gap_from else None,
        "counts": counts(ledger, run),
        "notes": list(run.notes),
    }


def _counts(ledger: Ledger, run: MigrationRun, phase: str, listing: str) -> Mapping[str, int]:
    if counted := run.counted.get(counts_key(phase, listing)):
        return counted
    tallies = ledger.tallies(run.migration_id, phase, f"{listing}-")
    return {
        "chunks": sum(tally.finished for tally in tallies),
        "of_chunks": run.chunks.get(listing, 0),
        "done": sum(tally.done for tally in tallies),
        "skipped": sum(tally.skipped for tally in tallies),
        "failed": sum(tally.failed for tally in tallies),
        "open": sum(tally.open for tally in tallies),
    }


def _gap_to(run: MigrationRun) -> datetime | None:
    """Return when all present consumers got events again, None if they do not yet."""
    match run.status:
        case MigrationStatus.ROLLED_BACK:  # until then the old consumers missed all events
            return run.ended_at
        case MigrationStatus.ROLLING_BACK | MigrationStatus.ROLLBACK_INCOMPLETE:
            return None
    return run.gap_to


def _listings(run: MigrationRun, phase: str) -> list[str]:
    """Return the listings whose chunks a phase works on."""
    if phase == "survey":
        return ["plan"]
    if phase in {*_UNDO_PHASES, verify_reads.PHASE}:
        return ["undo"]
    if phase == activity_5_products.PHASE:
        return [run.listing, *run.late_listings]
    return [run.listing]


def _consumer(entry: LedgerEntry) -> dict[str, Any]:
    return {"url": shown(entry.before["url"]), **_outcome(entry)}


def _outcome(entry: LedgerEntry) -> dict[str, Any]:
    return {"changed": entry.intended is not None, "outcome": entry.outcome, "undone": entry.undone}
