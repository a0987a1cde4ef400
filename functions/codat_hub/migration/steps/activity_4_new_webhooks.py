"""Activity 4: create the consumers of the new world, then have their signing secrets. Undo: delete.

Their URLs carry the migration's id, so that a retry and the undo find what a lost answer made.
Their secrets are accepted until nothing that they sign can come any more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from codat_hub.migration.domain.consumers import migration_in
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.usecases.context import StepResult, call_key
from codat_hub.migration.usecases.planning import wanted_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from codat_hub.migration.usecases.context import Command, StepContext

PREFIX = "NEW_CONSUMER#"
# Entries that say that one is stored; `detail`: fingerprints of those that were not there before.
SECRET_PREFIX = "SECRET#"  # noqa: S105
# An attempt ends after 15 s, and a deleted consumer has no retries (docs/codat.md, C33, C43).
_ON_ITS_WAY: Final = timedelta(minutes=1)


def apply(parts: StepContext, command: Command) -> StepResult:
    """Answers `ask` while the hub does not have the secret of each that posts to it."""
    parts.check_client()
    run = parts.ledger.change(
        command.migration_id, lambda one: one.began(Activity.CONFIGURE_NEW_WEBHOOKS)
    )
    wanted = wanted_of(run)
    present = {one.url: one for one in parts.codat.consumers()} if wanted else {}
    for one in wanted:
        name = f"{PREFIX}{one['name']}"
        parts.ledger.intend(run.migration_id, command.epoch, {name: LedgerEntry(dict(one))})
        made = present.get(one["url"]) or parts.codat.create_consumer(
            one["url"], one["event_types"], one["tags"], call_key(command, name)
        )
        facts = {**one, "consumer_id": made.consumer_id}
        parts.ledger.note(
            run.migration_id,
            name,
            lambda entry, facts=facts: entry.came_to("created", facts),  # type: ignore[misc]
        )
    if without_secret(parts, run.migration_id):
        return StepResult("ask")
    if run.gap_from:
        parts.ledger.change(
            run.migration_id, lambda one: replace(one, gap_to=one.gap_to or parts.now())
        )
    return StepResult()


def without_secret(parts: StepContext, migration_id: str) -> list[dict[str, str]]:
    """Return the hub's consumers (`consumer_id`, `hub_consumer`, `url`) still without a secret."""
    created = [
        entry.detail
        for entry in parts.ledger.under(migration_id, PREFIX).values()
        if entry.detail and entry.detail["hub_consumer"]
    ]
    stored = parts.ledger.under(migration_id, SECRET_PREFIX)
    return [one for one in created if f"{SECRET_PREFIX}{one['consumer_id']}" not in stored]


def compensate(parts: StepContext, command: Command) -> StepResult:
    """Delete all that this run created, found by their URLs."""
    entries = parts.ledger.under(command.migration_id, PREFIX)
    left = set()
    if any(entry.ours for entry in entries.values()):
        for one in parts.codat.consumers():
            if migration_in(one.url) == command.migration_id:
                parts.codat.delete_consumer(one.consumer_id)
            else:
                left.add(one.consumer_id)
    for name, entry in entries.items():
        if entry.ours:
            parts.ledger.note(command.migration_id, name, lambda one: _gone(one, left, parts.now()))
    return StepResult()


def _gone(entry: LedgerEntry, left: Collection[str], now: datetime) -> LedgerEntry:
    facts = entry.detail or {}
    if facts.get("consumer_id") in left:
        return entry.undo("left: its URL is another one now")
    return entry.undo("deleted", {**facts, "deleted_at": now})


def withdraw_secrets(parts: StepContext, command: Command) -> StepResult:
    """Accept no more the secrets that this run brought, of the consumers that it has deleted.

    Answers `again` while a delivery may still be on its way.
    """
    brought = parts.ledger.under(command.migration_id, SECRET_PREFIX)
    for entry in parts.ledger.under(command.migration_id, PREFIX).values():
        facts = entry.detail or {}
        name = f"{SECRET_PREFIX}{facts.get('consumer_id')}"
        secrets = brought.get(name)
        if "deleted_at" not in facts or secrets is None or not secrets.detail or secrets.undone:
            continue
        deleted_at = datetime.fromisoformat(facts["deleted_at"])
        if not parts.limits.over(deleted_at, _ON_ITS_WAY, parts.now()):
            return StepResult("again", wait_seconds=parts.limits.seconds(_ON_ITS_WAY))
        parts.signing_secrets.withdraw(facts["hub_consumer"], secrets.detail)
        parts.ledger.note(command.migration_id, name, lambda one: one.undo("withdrawn"))
    return StepResult()
