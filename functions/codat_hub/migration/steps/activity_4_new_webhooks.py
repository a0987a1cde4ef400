"""Activity 4: create the new webhook consumers and store their secrets. Its undo deletes them.

The URLs of new consumers carry the migration's id, so that a retry and the undo find a consumer
even if Codat's answer was lost. The rollback's last step withdraws the secrets that the run
brought, once no delivery signed with them can arrive any more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.consumers import migration_in, shown
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.steps.findings import lost_since_snapshot, wanted_of
from codat_hub.migration.steps.left_over import Attempts, not_deleted
from codat_hub.migration.steps.posting import post
from codat_hub.migration.usecases.context import StepResult

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from codat_hub.migration.domain.consumers import Consumer
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.ports import Ledger
    from codat_hub.migration.usecases.context import Command, StepContext

PREFIX = "NEW_CONSUMER#"
UNDO_PHASE: Final = "unsubscribe_new_webhooks"
# Entries of stored secrets; `detail`: fingerprints of the secrets that the run brought.
SECRET_PREFIX = "SECRET#"  # noqa: S105
# A delivery ends after 15 s, and a deleted consumer has no retries (docs/codat.md, C33, C43).
_ON_ITS_WAY: Final = timedelta(minutes=1)


def apply(context: StepContext, command: Command) -> StepResult:
    """Create the new consumers. Answers `ask` until the hub has the secret of each of its own."""
    context.check_client()
    run = context.change_run(command, lambda run: run.began(Activity.CONFIGURE_NEW_WEBHOOKS))
    make_missing(context, command, run)
    if without_secret(context.ledger, run.migration_id):
        return StepResult("ask")
    if run.gap_from:
        context.change_run(command, lambda run: replace(run, gap_to=run.gap_to or context.now()))
    return StepResult()


def make_missing(context: StepContext, command: Command, run: MigrationRun) -> None:
    """Create each consumer that the run relies on and that Codat does not have enabled.

    A consumer that others deleted or disabled is made again, and the run notes it. One successor
    is made for each old consumer, also where two old ones have the same URL.
    """
    planned = wanted_of(run)
    present = context.codat.consumers()
    lost_kept = lost_since_snapshot(context, run, present)
    needed = [*planned, *lost_kept]
    entries = context.ledger.under(run.migration_id, PREFIX)
    taken = {str(_id_of(entry)) for entry in entries.values()}
    enabled = {consumer.consumer_id: consumer for consumer in present if not consumer.disabled}
    for facts in needed:
        name = f"{PREFIX}{facts['name']}"
        lost = _id_of(entries.get(name))
        if lost in enabled:
            continue
        context.ledger.intend(run.migration_id, command.epoch, {name: LedgerEntry(dict(facts))})
        create = partial(
            context.codat.create_consumer, facts["url"], facts["event_types"], facts["tags"]
        )
        # Codat answers a used key with the consumer that is lost (docs/codat.md, C16).
        what = f"{name} instead of {lost}" if lost else name
        made = _made_before(facts, enabled.values(), taken) or post(context, command, what, create)
        taken.add(made.consumer_id)
        change = partial(_created, facts=facts, consumer_id=made.consumer_id)
        context.note(command, name, change)
        if lost or facts in lost_kept:
            _note_lost(context, command, facts, lost, made.consumer_id)


def _made_before(
    facts: Mapping[str, Any], present: Iterable[Consumer], taken: Collection[str]
) -> Consumer | None:
    """Return the consumer that an earlier try created without an answer, None if there is none."""
    shape = facts["url"], set(facts["event_types"]), set(facts["tags"])
    same = (
        consumer
        for consumer in present
        if (consumer.url, set(consumer.event_types), set(consumer.tags)) == shape
    )
    return next((consumer for consumer in same if consumer.consumer_id not in taken), None)


def _created(entry: LedgerEntry, facts: Mapping[str, Any], consumer_id: str) -> LedgerEntry:
    """Return the entry with its consumer. `lost`: ids of those that it replaces."""
    detail = {**facts, "consumer_id": consumer_id}
    if lost := _ids_of(entry):
        detail["lost"] = [number for number in lost if number != consumer_id]
    return entry.came_to("created", detail)


def _note_lost(
    context: StepContext,
    command: Command,
    facts: Mapping[str, Any],
    lost: str | None,
    consumer_id: str,
) -> None:
    what = f"consumer {lost}" if lost else f"the consumer of {', '.join(facts['event_types'])}"
    note = (
        f"{what} was deleted or disabled by others: {consumer_id} ({shown(facts['url'])}) takes "
        "its place, with another signing secret"
    )
    context.change_run(command, lambda run: run.noting(note))


def _id_of(entry: LedgerEntry | None) -> str | None:
    return (entry.detail or {}).get("consumer_id") if entry else None


def _ids_of(entry: LedgerEntry) -> list[str]:
    """Return the ids of an entry's consumer and of the lost ones that it replaces."""
    facts = entry.detail or {}
    return [*facts.get("lost", ()), *([facts["consumer_id"]] if "consumer_id" in facts else ())]


def created_at_hub(ledger: Ledger, migration_id: str) -> dict[str, dict[str, Any]]:
    """Return the new consumers that post to the hub, by id.

    Each has at least `consumer_id`, `hub_consumer` (its name at the hub) and `url`.
    """
    entries = ledger.under(migration_id, PREFIX).values()
    return {
        entry.detail["consumer_id"]: entry.detail
        for entry in entries
        if entry.detail and entry.detail["hub_consumer"]
    }


def without_secret(ledger: Ledger, migration_id: str) -> list[dict[str, Any]]:
    """Return the new consumers at the hub whose secret was not confirmed yet."""
    created = created_at_hub(ledger, migration_id)
    stored = ledger.under(migration_id, SECRET_PREFIX)
    return [facts for number, facts in created.items() if secret_entry(number) not in stored]


def compensate(context: StepContext, command: Command) -> StepResult:
    """Undo of activity 4: delete the consumers whose URL carries the id of this run.

    A consumer that Codat does not delete is left over: the others are deleted all the same.
    """
    entries = context.ledger.under(command.migration_id, PREFIX)
    entries = {name: entry for name, entry in entries.items() if entry.ours}
    if not entries:
        return StepResult()
    ours, others = _by_owner(context, command)
    left = {consumer.consumer_id for consumer in others}
    attempts = Attempts.back(context, command, context.run(command), UNDO_PHASE)
    for name, consumers in _by_entry(entries, ours).items():
        delete = partial(_delete, context, command, name, consumers, left)
        attempts.try_client(not_deleted(name.removeprefix(PREFIX)), delete)
    return attempts.again_or_done()


def _by_entry(
    entries: Mapping[str, LedgerEntry], ours: Iterable[Consumer]
) -> dict[str, list[Consumer]]:
    """Return the consumers of each entry: by their id, or by the URL if the answer was lost."""
    by_id = {number: name for name, entry in entries.items() for number in _ids_of(entry)}
    by_url = {entry.before["url"]: name for name, entry in entries.items()}
    groups: dict[str, list[Consumer]] = {name: [] for name in entries}
    for consumer in ours:
        of_url = by_url.get(consumer.url, next(iter(entries)))
        groups[by_id.get(consumer.consumer_id, of_url)].append(consumer)
    return groups


def _delete(
    context: StepContext,
    command: Command,
    name: str,
    consumers: Iterable[Consumer],
    left: Collection[str],
) -> None:
    """Delete the consumers of one entry, and note it as undone."""
    gone = [context.codat.delete_consumer(consumer.consumer_id) for consumer in consumers]
    if not all(gone):
        # A 404 may come from something between the hub and Codat: only the list is proof.
        ids = {consumer.consumer_id for consumer in consumers}
        still = [consumer for consumer in context.codat.consumers() if consumer.consumer_id in ids]
        if still:
            names = ", ".join(f"{found.consumer_id} ({shown(found.url)})" for found in still)
            raise StepFailed(f"not deleted, though Codat answered 404: consumer {names}")
    context.note(command, name, partial(_undone, left=left, now=context.now()))


def _by_owner(context: StepContext, command: Command) -> tuple[list[Consumer], list[Consumer]]:
    """Return the consumers that this run created, and all others."""
    present = context.codat.consumers()
    ours = [consumer for consumer in present if migration_in(consumer.url) == command.migration_id]
    return ours, [consumer for consumer in present if consumer not in ours]


def _undone(entry: LedgerEntry, left: Collection[str], now: datetime) -> LedgerEntry:
    facts = entry.detail or {}
    if facts.get("consumer_id") in left:
        return entry.undo("left: its URL is another one now")
    return entry.undo("deleted", {**facts, "deleted_at": now})


def withdraw_secrets(context: StepContext, command: Command) -> StepResult:
    """Withdraw the secrets that this run brought, of the consumers that it deleted.

    Answers `again` while a delivery may still be on its way.
    """
    stored = context.ledger.under(command.migration_id, SECRET_PREFIX)
    for entry in context.ledger.under(command.migration_id, PREFIX).values():
        facts = entry.detail or {}
        names = [name for name in map(secret_entry, _ids_of(entry)) if _is_ours(stored.get(name))]
        if "deleted_at" not in facts or not names:
            continue
        deleted_at = datetime.fromisoformat(facts["deleted_at"])
        if not context.limits.over(deleted_at, _ON_ITS_WAY, context.now()):
            return StepResult("again", wait_seconds=context.limits.seconds(_ON_ITS_WAY))
        for name in names:
            context.signing_secrets.withdraw(facts["hub_consumer"], stored[name].detail)
            context.note(command, name, partial(LedgerEntry.undo, how="withdrawn"))
    return StepResult()


def _is_ours(secrets: LedgerEntry | None) -> bool:
    """Tell whether the run brought secrets that it did not withdraw yet."""
    return secrets is not None and bool(secrets.detail) and not secrets.undone


def secret_entry(consumer_id: str) -> str:
    """Return the name of the ledger entry of a consumer's stored secret."""
    return f"{SECRET_PREFIX}{consumer_id}"
