"""Report from the ledger how far a migration is, what it changed, and what a person has to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from codat_hub.migration.domain.consumers import shown
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.steps import (
    activity_1_client_sync,
    activity_2_quiet,
    activity_3_old_webhooks,
    activity_4_new_webhooks,
    activity_5_products,
    left_over,
    verify_reads,
)
from codat_hub.migration.usecases.context import CLIENT, counts_key
from codat_hub.migration.usecases.needs import gap_to, needs

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


@dataclass(frozen=True, slots=True)
class RunStanding:
    """How a run stands beside its head.

    counts: by phase; left, settled: items with `company_id`, `what` and, for one product, `product`
    needs: what a person has to do, with its command
    """

    counts: dict[str, dict[str, int]]
    left: list[dict[str, Any]]
    settled: list[dict[str, Any]]
    needs: list[dict[str, str]]

    @classmethod
    def of(cls, ledger: Ledger, run: MigrationRun, now: datetime) -> Self:
        left = left_over.left(ledger, run)
        return cls(
            counts=counts(ledger, run),
            left=[left_over.shown(entry) for entry in left.values()],
            settled=settled(ledger, run),
            needs=needs(ledger, run, left, now),
        )


def counts(ledger: Ledger, run: MigrationRun) -> dict[str, dict[str, int]]:
    """Return the counts of each phase that has begun, in the order of the phases.

    Each has `done`, `skipped`, `failed` and `open` (companies, or products on companies), and
    `chunks` of `of_chunks`.
    """
    totals = {}
    for phase in (*_PHASES, *(_UNDO_PHASES if run.status.undoing else ())):
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
        "webhooks": run.request.mode.value,
        "started_by": run.started_by,
        "approved_by": run.approved_by,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "error": run.error,
        "client_settings": _outcome(client),
        "old_consumers": [_consumer(entry) for entry in old.values()],
        "new_consumers": [_consumer(entry) for entry in new.values()],
        "replay_missed": {"from": run.gap_from, "to": gap_to(run)} if run.gap_from else None,
        "counts": counts(ledger, run),
        "notes": list(run.notes),
        "left": [left_over.shown(entry) for entry in left_over.left(ledger, run).values()],
        "settled": settled(ledger, run),
    }


def settled(ledger: Ledger, run: MigrationRun) -> list[dict[str, Any]]:
    """Return what a person settled, each with the reason."""
    return [left_over.shown_settled(entry) for entry in left_over.settled(ledger, run).values()]


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
    facts = {**entry.before, **(entry.detail if isinstance(entry.detail, dict) else {})}
    return {
        "consumer_id": facts.get("consumer_id"),
        "url": shown(entry.before["url"]),
        "hub_consumer": facts.get("hub_consumer"),
        **_outcome(entry),
    }


def _outcome(entry: LedgerEntry) -> dict[str, Any]:
    return {"changed": entry.intended is not None, "outcome": entry.outcome, "undone": entry.undone}
