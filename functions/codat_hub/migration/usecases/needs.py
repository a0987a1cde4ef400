"""What a person has to do for a migration, now or still, each with the command to run next."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from codat_hub.migration.domain.consumers import SUCCESSOR, hub_consumer_of, shown
from codat_hub.migration.domain.run import MigrationStatus, Mode, WaitingFor
from codat_hub.migration.steps import (
    activity_3_old_webhooks,
    activity_4_new_webhooks,
)
from codat_hub.migration.usecases import outages
from codat_hub.migration.usecases.listing import LATE_UNCHECKED
from codat_hub.webhooks.hub_address import HubAddress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import Ledger

    type Need = dict[str, str]

ROUNDS: Final = 2  # rollbacks that must have failed before an item may be settled
_MOST: Final = 10  # needs for single items
_REPLAYED: Final = timedelta(days=14)  # what the Portal can replay (docs/codat.md, C37)
_ANSWERS: Final[Mapping[WaitingFor, str]] = {
    WaitingFor.APPROVAL: "approve {id}",
    WaitingFor.WEBHOOKS_DISABLED: "confirm-webhooks-disabled {id}",
    WaitingFor.SIGNING_SECRET: "confirm-secret {id} CONSUMER",
    WaitingFor.WEBHOOKS_RESTORED: "confirm-webhooks-restored {id}",
    WaitingFor.PRODUCTS_KEPT: "approve {id}",
}


def needs(
    ledger: Ledger, run: MigrationRun, left: Mapping[str, LedgerEntry], now: datetime
) -> list[Need]:
    """Return what a person has to do, the most urgent first."""
    return [*_to_go_on(ledger, run), *_of_what_is_left(run, left), *_afterwards(ledger, run, now)]


def may_settle(entry: LedgerEntry) -> bool:
    """Tell whether a person may settle an item: a rerun failed on it too."""
    return int(entry.detail["rounds"]) >= ROUNDS


def gap_to(run: MigrationRun) -> datetime | None:
    """Return when all present consumers got events again, None if they do not yet."""
    match run.status:
        case MigrationStatus.ROLLED_BACK:  # until then the old consumers missed all events
            return run.ended_at
        case MigrationStatus.ROLLING_BACK | MigrationStatus.ROLLBACK_INCOMPLETE:
            return None
    return run.gap_to


def _to_go_on(ledger: Ledger, run: MigrationRun) -> Iterator[Need]:
    if run.pause:
        what = " ".join(run.pause.instructions) or f"Answer: {run.pause.waiting_for.value}."
        yield _need(what, _ANSWERS[run.pause.waiting_for], run)
    if outages.needs_key(ledger, run):
        yield {
            "what": "Codat refuses the API key: store a good one.",
            "command": "tools/hub secrets set-api-key",
        }


def _of_what_is_left(run: MigrationRun, left: Mapping[str, LedgerEntry]) -> Iterator[Need]:
    if run.status is MigrationStatus.ROLLBACK_INCOMPLETE:
        what = f"Correct the cause; then try again what is left ({len(left)} items)."
        yield _need(what, "rollback {id}", run)
        yield from [_settling(run, entry) for entry in left.values() if may_settle(entry)][:_MOST]
    if run.status is MigrationStatus.COMPLETE:
        missing = [entry for entry in left.values() if entry.before["product"]]
        yield from [_adding(entry) for entry in missing[:_MOST]]
        if len(left) > len(missing[:_MOST]):
            what = "Some companies were left out: read which, then migrate these companies."
            yield _need(what, "report {id}", run)


def _settling(run: MigrationRun, entry: LedgerEntry) -> Need:
    company_id, product = entry.before["company_id"], entry.before["product"]
    consumer = entry.before.get("consumer")
    if company_id:
        item, which = f"{product or 'the settings'} of {company_id}", f"{company_id}"
        which += f" --product {product}" if product else ""
    elif consumer:
        item, which = f"consumer {consumer}", f"--consumer {consumer}"
    else:
        item, which = "the client's settings", "--client-settings"
    return _need(f"Or leave as it is: {item}.", f"settle {{id}} {which} --reason REASON", run)


def _adding(entry: LedgerEntry) -> Need:
    company_id, product = entry.before["company_id"], entry.before["product"]
    return {
        "what": f"{company_id} has no {product}: correct the cause, then add it.",
        "command": f"tools/hub companies add-product {company_id} {product}",
    }


def _afterwards(ledger: Ledger, run: MigrationRun, now: datetime) -> Iterator[Need]:
    if run.status is MigrationStatus.COMPLETE and any(LATE_UNCHECKED in note for note in run.notes):
        products = " ".join(f"--product {product}" for product in run.request.products)
        what = "Nobody looked for companies that appeared during the run: migrate them as well."
        yield _need(what, f"start {products}", run)
    if run.status.undoing:
        yield from _of_consumers_made_again(ledger, run)
    else:
        yield from _of_new_consumers(ledger, run)
    if run.status in {MigrationStatus.COMPLETE, MigrationStatus.ROLLED_BACK}:
        yield from _of_the_gap(run, now)


def _of_the_gap(run: MigrationRun, now: datetime) -> Iterator[Need]:
    if run.gap_from and now < run.gap_from + _REPLAYED:
        what = (
            f"Consumers missed events from {_minute(run.gap_from)} to {_minute(gap_to(run))}: let "
            "the Codat Portal replay them within two weeks, by "
            f"{_minute(run.gap_from + _REPLAYED)}, for each enabled consumer."
        )
        yield _need(what, "report {id}", run)


def _of_new_consumers(ledger: Ledger, run: MigrationRun) -> Iterator[Need]:
    """Yield what the hub cannot do for a new consumer: Codat's API shows no secret, no header."""
    if run.status is MigrationStatus.COMPLETE:
        for created in activity_4_new_webhooks.without_secret(ledger, run.migration_id):
            yield _secret_at_hub(created["consumer_id"], created["hub_consumer"])
    new = ledger.under(run.migration_id, activity_4_new_webhooks.PREFIX)
    for name, entry in new.items():
        facts: Mapping[str, Any] = entry.detail or {}
        if "consumer_id" not in facts:
            continue
        if not facts["hub_consumer"]:
            yield _secret_elsewhere(facts["consumer_id"], facts["url"], run)
        old = name.removeprefix(f"{activity_4_new_webhooks.PREFIX}{SUCCESSOR}")
        if run.request.mode is Mode.API and old != name:
            yield _headers(old, facts["consumer_id"], facts["url"], run)


def _of_consumers_made_again(ledger: Ledger, run: MigrationRun) -> Iterator[Need]:
    """Yield what a consumer still needs that the rollback made again, with another secret."""
    hub = _hub(ledger, run)
    for entry in ledger.under(run.migration_id, activity_3_old_webhooks.PREFIX).values():
        if entry.undone != activity_3_old_webhooks.MADE_AGAIN:
            continue
        url = entry.before["url"]
        if hub_consumer := hub and hub_consumer_of(url, hub):
            yield _secret_at_hub(entry.detail, hub_consumer)
        else:
            yield _secret_elsewhere(entry.detail, url, run)
        yield _headers(entry.before["consumer_id"], entry.detail, url, run)


def _hub(ledger: Ledger, run: MigrationRun) -> HubAddress | None:
    """Return the address of the webhooks API, as one of the run's consumers has it."""
    new = ledger.under(run.migration_id, activity_4_new_webhooks.PREFIX).values()
    urls = ((entry.before["url"], entry.before["hub_consumer"]) for entry in new)
    at_hub = (url.partition("?")[0].removesuffix(f"/{name}") for url, name in urls if name)
    return next(map(HubAddress, at_hub), None)


def _secret_at_hub(consumer_id: str, hub_consumer: str) -> Need:
    return {
        "what": (
            f"The hub refuses deliveries of consumer {consumer_id} until it has its signing "
            "secret: reveal it in the Codat Portal, then store it."
        ),
        "command": f"tools/hub secrets add {hub_consumer}",
    }


def _secret_elsewhere(consumer_id: str, url: str, run: MigrationRun) -> Need:
    what = (
        f"Give the signing secret of consumer {consumer_id} ({shown(url)}) to the team behind that "
        "URL: reveal it in the Codat Portal."
    )
    return _need(what, "report {id}", run)


def _headers(deleted: str, consumer_id: str, url: str, run: MigrationRun) -> Need:
    what = (
        f"Custom headers and mTLS of consumer {deleted} were deleted with it: if it had any, set "
        f"them again in the Codat Portal, on consumer {consumer_id} ({shown(url)})."
    )
    return _need(what, "report {id}", run)


def _minute(time: datetime | None) -> str:
    return f"{time:%d %B %H:%M} UTC" if time else "now"


def _need(what: str, command: str, run: MigrationRun) -> Need:
    command = command.format(id=run.migration_id)
    return {"what": what, "command": f"tools/hub migrations {command}"}
