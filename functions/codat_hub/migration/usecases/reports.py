"""What a migration has changed and taken back, and how far it is: read from its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from codat_hub.migration.domain.consumers import shown
from codat_hub.migration.domain.entry import Entry
from codat_hub.migration.domain.run import Status
from codat_hub.migration.steps import (
    activity_1_client_sync,
    activity_2_quiet,
    activity_3_old_webhooks,
    activity_4_new_webhooks,
    activity_5_products,
    verify_reads,
)
from codat_hub.migration.usecases.context import counted_as
from codat_hub.migration.usecases.planning import CLIENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from codat_hub.migration.domain.chunk import Tally
    from codat_hub.migration.domain.run import Run

_PHASES = (
    "survey",
    "snapshot",
    activity_1_client_sync.PHASE,
    activity_2_quiet.PHASE,
    activity_5_products.PHASE,
    verify_reads.PHASE,
)
_UNDO_PHASES = (activity_5_products.UNDO_PHASE, activity_1_client_sync.UNDO_PHASE)


class Ledger(Protocol):
    def under(self, migration_id: str, prefix: str) -> dict[str, Entry]: ...
    def tallies(self, migration_id: str, phase: str, listing: str = "") -> list[Tally]: ...


def counts(ledger: Ledger, run: Run) -> dict[str, dict[str, int]]:
    """Return per phase how many chunks there are and what became of companies and pairs."""
    going_back = run.status in {
        Status.ROLLING_BACK,
        Status.ROLLED_BACK,
        Status.ROLLBACK_INCOMPLETE,
    }
    counts = {}
    for phase in (*_PHASES, *(_UNDO_PHASES if going_back else ())):
        found = [_counts(ledger, run, phase, one) for one in _listings(run, phase)]
        if any(one["chunks"] for one in found):
            counts[phase] = {name: sum(one[name] for one in found) for name in found[0]}
    return counts


def _counts(ledger: Ledger, run: Run, phase: str, listing: str) -> Mapping[str, int]:
    if known := run.counted.get(counted_as(phase, listing)):
        return known
    tallies = ledger.tallies(run.migration_id, phase, f"{listing}-")
    return {
        "chunks": sum(one.finished for one in tallies),
        "of_chunks": run.chunks.get(listing, 0),
        "done": sum(one.done for one in tallies),
        "skipped": sum(one.skipped for one in tallies),
        "failed": sum(one.failed for one in tallies),
        "open": sum(one.open for one in tallies),
    }


def report(ledger: Ledger, run: Run) -> dict[str, Any]:
    """Return what the run changed and what it took back, with all that was noted on the way."""
    old = ledger.under(run.migration_id, activity_3_old_webhooks.PREFIX)
    new = ledger.under(run.migration_id, activity_4_new_webhooks.PREFIX)
    client = ledger.under(run.migration_id, CLIENT).get(CLIENT, Entry())
    gap = {"from": run.gap_from, "to": _gap_to(run)} if run.gap_from else None
    return {
        "migration_id": run.migration_id,
        "status": run.status.value,
        "started_by": run.started_by,
        "approved_by": run.approved_by,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "error": run.error,
        "client_settings": _fate(client),
        "old_consumers": [{"url": shown(one.before["url"]), **_fate(one)} for one in old.values()],
        "new_consumers": [{"url": shown(one.before["url"]), **_fate(one)} for one in new.values()],
        # events of this time missed consumers that are there now: the Portal replays them
        "replay_missed": gap,
        "counts": counts(ledger, run),
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


def _listings(run: Run, phase: str) -> list[str]:
    if phase == "survey":
        return ["plan"]
    if phase in {*_UNDO_PHASES, verify_reads.PHASE}:
        return ["undo"]
    late = [one for one in run.chunks if one.startswith("late-") and run.chunks[one]]
    return [run.listing, *(late if phase == activity_5_products.PHASE else ())]


def _fate(entry: Entry) -> dict[str, Any]:
    return {
        "changed": entry.intended is not None,
        "outcome": entry.outcome,
        "undone": entry.undone,
    }
