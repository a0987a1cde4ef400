"""Activity 3: switch old webhook consumers off. Undo: have them again.

Codat's API cannot disable or enable one. In portal mode a person does, and this looks whether it
was done; in api mode they are deleted, and made again with new ids and new secrets.
Sources: docs/codat.md, C42, C43.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.consumers import Consumer, hub_consumer_of, shown
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity, Mode
from codat_hub.migration.usecases.context import StepResult, call_key
from codat_hub.migration.usecases.planning import CLIENT, old_consumers

if TYPE_CHECKING:
    from codat_hub.migration.usecases.context import Command, StepContext

PREFIX = "OLD_CONSUMER#"


def apply(parts: StepContext, command: Command) -> StepResult:
    """Answers `ask` while a person has to disable some in the Portal."""
    parts.check_client()
    run = parts.ledger.change(
        command.migration_id, lambda one: one.began(Activity.DISABLE_OLD_WEBHOOKS)
    )
    old = old_consumers(parts, run.migration_id) if run.everyone else []
    if not old:
        return StepResult()
    entries = parts.ledger.entries(run.migration_id, (_name(one) for one in old))
    fresh = {
        _name(one): LedgerEntry(asdict(one)) for one in old if entries[_name(one)].intended is None
    }
    if fresh:
        parts.ledger.intend(run.migration_id, command.epoch, fresh)
    # the gap begins when the first of them may be off
    parts.ledger.change(
        run.migration_id, lambda one: replace(one, gap_from=one.gap_from or parts.now())
    )
    present = {one.consumer_id: one for one in parts.codat.consumers()}
    on = [
        one for one in old if one.consumer_id in present and not present[one.consumer_id].disabled
    ]
    if run.request.mode is Mode.API:
        for one in on:
            _still_meant(parts, command, one, present[one.consumer_id])
            parts.codat.delete_consumer(one.consumer_id)
        on = []
    for one in old:
        outcome = None if one in on else "off"
        parts.ledger.note(
            run.migration_id,
            _name(one),
            lambda entry, outcome=outcome: replace(entry, outcome=outcome),  # type: ignore[misc]
        )
    return StepResult("ask" if on else "done")


def _still_meant(parts: StepContext, command: Command, one: Consumer, found: Consumer) -> None:
    """Before each deletion: an empty intent is refused once a rollback has begun."""
    if not found.same_as(one):
        raise StepFailed(f"consumer {one.consumer_id} was changed since the snapshot")
    name = _name(one)
    parts.ledger.intend(command.migration_id, command.epoch, {name: LedgerEntry(asdict(one))})


def still_on(parts: StepContext, migration_id: str) -> list[Consumer]:
    """Return the old consumers that the operator has to disable, as the last look found them."""
    entries = parts.ledger.under(migration_id, PREFIX).values()
    return [consumer_of(one) for one in entries if one.outcome is None]


def compensate(parts: StepContext, command: Command) -> StepResult:
    """Answers `ask` while a person has to enable some in the Portal."""
    entries = {
        name: entry
        for name, entry in parts.ledger.under(command.migration_id, PREFIX).items()
        if entry.ours
    }
    if not entries:
        return StepResult()
    present = {one.consumer_id: one for one in parts.codat.consumers()}
    asks = False
    for name, entry in entries.items():
        before = consumer_of(entry)
        found = present.get(before.consumer_id)
        if found is None:
            _make_again(parts, command, name, before, list(present.values()))
        elif found.disabled:
            asks = True
        else:
            parts.ledger.note(command.migration_id, name, lambda one: one.undo("enabled"))
    return StepResult("ask" if asks else "done")


def _make_again(
    parts: StepContext, command: Command, name: str, before: Consumer, present: list[Consumer]
) -> None:
    lines = parts.ledger.under(command.migration_id, PREFIX).values()
    snapshot = parts.ledger.entry(command.migration_id, CLIENT).before or {"consumers": []}
    taken = {one["consumer_id"] for one in snapshot["consumers"]}
    taken |= {entry.detail for entry in lines if entry.undone == "made again"}
    # one that a try before this made, without living to write it down, is taken over
    made = next(
        (one for one in present if one.same_as(before) and one.consumer_id not in taken), None
    )
    if made is None:
        # refused once another rollback has begun: that one would make it a second time
        parts.ledger.intend(command.migration_id, command.epoch, {})
        made = parts.codat.create_consumer(
            before.url, before.event_types, before.tags, call_key(command, f"undo {name}")
        )
    new_id = made.consumer_id
    parts.ledger.note(command.migration_id, name, lambda one: one.undo("made again", new_id))
    difference = (
        f"consumer {before.consumer_id} ({shown(before.url)}) was made again as {new_id}: it has "
        "another signing secret and no custom headers, mTLS, throttle or transformation"
    )
    if name_at_hub := hub_consumer_of(before.url, parts.limits.hub_url):
        difference += (
            "; the hub takes nothing of it before it has that secret: reveal it in the Portal, "
            f"then tools/hub secrets add {name_at_hub}"
        )
    parts.ledger.change(command.migration_id, lambda one: one.noting(difference))


def consumer_of(entry: LedgerEntry) -> Consumer:
    before = entry.before
    return Consumer(
        before["consumer_id"],
        before["url"],
        tuple(before["event_types"]),
        tuple(before["tags"]),
        before["disabled"],
    )


def _name(one: Consumer) -> str:
    return f"{PREFIX}{one.consumer_id}"
