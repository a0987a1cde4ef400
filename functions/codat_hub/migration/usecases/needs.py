"""What a person has to do about a migration, now or still, each with the command to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from codat_hub.migration.domain.run import MigrationStatus, WaitingFor
from codat_hub.migration.usecases import left_over, reports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import Ledger

ROUNDS: Final = 2  # rollbacks that must have failed before an item may be settled
_MOST: Final = 10  # needs for single items
_ANSWERS: Final[Mapping[WaitingFor, str]] = {
    WaitingFor.APPROVAL: "approve {id}",
    WaitingFor.WEBHOOKS_DISABLED: "confirm-webhooks-disabled {id}",
    WaitingFor.SIGNING_SECRET: "confirm-secret {id} CONSUMER",
    WaitingFor.WEBHOOKS_RESTORED: "confirm-webhooks-restored {id}",
    WaitingFor.PRODUCTS_KEPT: "approve {id}",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands beside its head.

    counts: by phase; left, settled: items with `company_id`, `what` and, for one product, `product`
    needs: what a person has to do, with its command
    """

    counts: dict[str, dict[str, int]]
    left: list[dict[str, Any]]
    settled: list[dict[str, Any]]
    needs: list[dict[str, str]]

    @classmethod
    def of(cls, ledger: Ledger, run: MigrationRun) -> Self:
        left = left_over.left(ledger, run)
        return cls(
            counts=reports.counts(ledger, run),
            left=[left_over.shown(entry) for entry in left.values()],
            settled=reports.settled(ledger, run),
            needs=needs(run, left),
        )


def needs(run: MigrationRun, left: Mapping[str, LedgerEntry]) -> list[dict[str, str]]:
    """Return what a person has to do now or still, the most urgent first."""
    found = []
    if run.pause:
        what = " ".join(run.pause.instructions) or f"Answer: {run.pause.waiting_for.value}."
        found.append(_need(what, _ANSWERS[run.pause.waiting_for], run))
    if run.status is MigrationStatus.ROLLBACK_INCOMPLETE:
        what = f"Correct the cause; then try again what is left ({len(left)} items)."
        found.append(_need(what, "rollback {id}", run))
        found += [_settling(run, entry) for entry in left.values() if may_settle(entry)][:_MOST]
    if run.status is MigrationStatus.COMPLETE:
        missing = [entry for entry in left.values() if entry.before["product"]]
        found += [_adding(entry) for entry in missing[:_MOST]]
        if len(left) > len(missing[:_MOST]):
            what = "Some companies were left out: read which, then migrate these companies."
            found.append(_need(what, "report {id}", run))
    return found


def may_settle(entry: LedgerEntry) -> bool:
    """Tell whether a person may settle an item: a company's, which a rerun failed on too."""
    return entry.before["company_id"] is not None and entry.detail["rounds"] >= ROUNDS


def _settling(run: MigrationRun, entry: LedgerEntry) -> dict[str, str]:
    company_id, product = entry.before["company_id"], entry.before["product"]
    more = f" --product {product}" if product else ""
    command = f"settle {{id}} {company_id}{more} --reason REASON"
    return _need(f"Or leave {product or 'the settings'} of {company_id} as it is.", command, run)


def _adding(entry: LedgerEntry) -> dict[str, str]:
    company_id, product = entry.before["company_id"], entry.before["product"]
    return {
        "what": f"{company_id} has no {product}: correct the cause, then add it.",
        "command": f"tools/hub companies add-product {company_id} {product}",
    }


def _need(what: str, command: str, run: MigrationRun) -> dict[str, str]:
    command = command.format(id=run.migration_id)
    return {"what": what, "command": f"tools/hub migrations {command}"}
