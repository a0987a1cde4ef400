"""Activity 4: create the new webhook consumers and store their secrets. Its undo deletes them.

The URLs of new consumers carry the migration's id, so that a retry and the undo find those that
were created without an answer. The undo withdraws the secrets that the run brought, once no
delivery signed with them can arrive any more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codat_hub.migration.domain.consumers import migration_in
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.steps.posting import post
from codat_hub.migration.usecases.context import StepResult
from codat_hub.migration.usecases.planning import wanted_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from codat_hub.migration.ports import Ledger
    from codat_hub.migration.usecases.context import Command, StepContext

PREFIX = "NEW_CONSUMER#"
# Entries of stored secrets; `detail`: fingerprints of the secrets that the run brought.
SECRET_PREFIX = "SECRET#"  # noqa: S105
# A delivery ends after 15 s, and a deleted consumer has no retries (docs/codat.md, C33, C43).
_ON_ITS_WAY: Final = timedelta(minutes=1)


def apply(context: StepContext, command: Command) -> StepResult:
    """Create the new consumers. Answers `ask` until the hub has the secret of each of its own."""
    context.check_client()
    run = context.change_run(command, lambda run: run.began(Activity.CONFIGURE_NEW_WEBHOOKS))
    wanted = wanted_of(run)
    present = {consumer.url: consumer for consumer in context.codat.consumers()} if wanted else {}
    for facts in wanted:
        name = f"{PREFIX}{facts['name']}"
        context.ledger.intend(run.migration_id, command.epoch, {name: LedgerEntry(dict(facts))})
        create = partial(
            context.codat.create_consumer, facts["url"], facts["event_types"], facts["tags"]
        )
        made = present.get(facts["url"]) or post(context, command, name, create)
        created = {**facts, "consumer_id": made.consumer_id}
        change = partial(LedgerEntry.came_to, outcome="created", detail=created)
        context.note(command, name, change)
    if without_secret(context.ledger, run.migration_id):
        return StepResult("ask")
    if run.gap_from:
        context.change_run(command, lambda run: replace(run, gap_to=run.gap_to or context.now()))
    return StepResult()


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
    """Undo of activity 4: delete the consumers whose URL carries the id of this run."""
    entries = context.ledger.under(command.migration_id, PREFIX)
    left = set()
    if any(entry.ours for entry in entries.values()):
        for consumer in context.codat.consumers():
            if migration_in(consumer.url) == command.migration_id:
                context.codat.delete_consumer(consumer.consumer_id)
            else:
                left.add(consumer.consumer_id)
    for name, entry in entries.items():
        if entry.ours:
            change = partial(_undone, left=left, now=context.now())
            context.note(command, name, change)
    return StepResult()


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
        name = secret_entry(str(facts.get("consumer_id")))
        secrets = stored.get(name)
        if "deleted_at" not in facts or secrets is None or not secrets.detail or secrets.undone:
            continue
        deleted_at = datetime.fromisoformat(facts["deleted_at"])
        if not context.limits.over(deleted_at, _ON_ITS_WAY, context.now()):
            return StepResult("again", wait_seconds=context.limits.seconds(_ON_ITS_WAY))
        context.signing_secrets.withdraw(facts["hub_consumer"], secrets.detail)
        context.note(command, name, partial(LedgerEntry.undo, how="withdrawn"))
    return StepResult()


def secret_entry(consumer_id: str) -> str:
    """Return the name of the ledger entry of a consumer's stored secret."""
    return f"{SECRET_PREFIX}{consumer_id}"
