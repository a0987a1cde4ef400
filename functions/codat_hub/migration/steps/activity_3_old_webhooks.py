"""Activity 3: switch the old webhook consumers off. Its undo switches them on again.

Codat's API cannot disable or enable a consumer (docs/codat.md, C42). In portal mode a person does,
and these steps look it up. In api mode they delete the consumers, and the undo creates them again
with new ids and new secrets (docs/codat.md, C43).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from codat_hub.errors import StepFailed
from codat_hub.migration.domain.consumers import Consumer, hub_consumer_of, shown
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity, Mode
from codat_hub.migration.steps.findings import old_consumers
from codat_hub.migration.steps.left_over import Attempts, not_back
from codat_hub.migration.steps.posting import post
from codat_hub.migration.usecases.context import CLIENT, StepResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.migration.ports import Ledger
    from codat_hub.migration.usecases.context import Command, StepContext

PREFIX: Final = "OLD_CONSUMER#"
UNDO_PHASE: Final = "resubscribe_old_webhooks"
MADE_AGAIN: Final = "made again"


def apply(context: StepContext, command: Command) -> StepResult:
    """Switch old consumers off. Answers `ask` while a person has to disable some in the Portal."""
    context.check_client()
    run = context.change_run(command, lambda run: run.began(Activity.DISABLE_OLD_WEBHOOKS))
    old = old_consumers(context, run.migration_id) if run.everyone else []
    if not old:
        return StepResult()
    _intend(context, command, old)
    # The gap begins before the first of them may be off.
    context.change_run(command, lambda run: replace(run, gap_from=run.gap_from or context.now()))
    present = _present(context)
    on = [consumer for consumer in old if _is_on(present.get(consumer.consumer_id))]
    if run.request.mode is Mode.API:
        on = _delete_all(context, command, on, present)
    for consumer in old:
        outcome = None if consumer in on else "off"
        change = partial(_with_outcome, outcome=outcome)
        context.note(command, _entry_name(consumer), change)
    return StepResult("ask" if on else "done")


def _intend(context: StepContext, command: Command, old: list[Consumer]) -> None:
    """Write the intent to switch each consumer off, with its snapshot."""
    entries = context.ledger.entries(command.migration_id, map(_entry_name, old))
    fresh = {
        _entry_name(consumer): LedgerEntry(asdict(consumer))
        for consumer in old
        if entries[_entry_name(consumer)].intended is None
    }
    if fresh:
        context.ledger.intend(command.migration_id, command.epoch, fresh)


def _delete_all(
    context: StepContext, command: Command, on: list[Consumer], present: Mapping[str, Consumer]
) -> list[Consumer]:
    """Delete the consumers. Returns those that are still enabled: a person has to disable them."""
    doubtful = [
        consumer
        for consumer in on
        if not _delete(context, command, consumer, present[consumer.consumer_id])
    ]
    if not doubtful:
        return []
    # A 404 may come from something between the hub and Codat: only the list is proof.
    present = _present(context)
    still = [consumer for consumer in doubtful if _is_on(present.get(consumer.consumer_id))]
    notes = [
        f"old consumer {consumer.consumer_id} ({shown(consumer.url)}) was still on after Codat "
        "answered 404 to its deletion: a person was asked to disable it"
        for consumer in still
    ]
    context.change_run(command, lambda run: run.noting(*notes))
    return still


def _delete(context: StepContext, command: Command, consumer: Consumer, current: Consumer) -> bool:
    """Delete a consumer. Tells whether Codat did it."""
    if not current.same_as(consumer):
        raise StepFailed(f"consumer {consumer.consumer_id} was changed since the snapshot")
    # The intent is written already. Writing it again fails if a rollback has begun.
    entry = {_entry_name(consumer): LedgerEntry(asdict(consumer))}
    context.ledger.intend(command.migration_id, command.epoch, entry)
    return context.codat.delete_consumer(consumer.consumer_id)


def still_on(ledger: Ledger, migration_id: str) -> list[Consumer]:
    """Return the old consumers that the last look found enabled."""
    entries = ledger.under(migration_id, PREFIX).values()
    return [Consumer.from_ledger(entry.before) for entry in entries if entry.outcome is None]


def to_restore(ledger: Ledger, migration_id: str) -> list[Consumer]:
    """Return the old consumers that the undo has not restored yet."""
    entries = ledger.under(migration_id, PREFIX).values()
    return [Consumer.from_ledger(entry.before) for entry in entries if entry.ours]


def compensate(context: StepContext, command: Command) -> StepResult:
    """Undo of activity 3. Answers `ask` while a person has to enable consumers in the Portal.

    A consumer that Codat does not create again is left over: the others are restored all the same.
    """
    entries = {
        name: entry
        for name, entry in context.ledger.under(command.migration_id, PREFIX).items()
        if entry.ours
    }
    if not entries:
        return StepResult()
    present = _present(context)
    attempts = Attempts.back(context, command, context.run(command), UNDO_PHASE)
    asks = False
    for name, entry in entries.items():
        before = Consumer.from_ledger(entry.before)
        current = present.get(before.consumer_id)
        if current is None:
            again = partial(_make_again, context, command, name, before, present)
            attempts.try_client(not_back(before.consumer_id), again)
        elif current.disabled:
            asks = True
        else:
            context.note(command, name, partial(LedgerEntry.undo, how="enabled"))
            attempts.over(not_back(before.consumer_id))
    result = attempts.again_or_done()
    return StepResult("ask") if asks and result.next == "done" else result


def _make_again(
    context: StepContext,
    command: Command,
    name: str,
    before: Consumer,
    present: Mapping[str, Consumer],
) -> None:
    """Create a deleted consumer again, unless an earlier try has created it."""
    taken = _taken(context, command)
    same = (consumer for consumer in present.values() if consumer.same_as(before))
    made = next((consumer for consumer in same if consumer.consumer_id not in taken), None)
    if made is None:
        # Refused if another rollback has begun: that one would create it a second time.
        context.ledger.intend(command.migration_id, command.epoch, {})
        create = partial(context.codat.create_consumer, before.url, before.event_types, before.tags)
        made = post(context, command, f"undo {name}", create)
    new_id = made.consumer_id
    context.note(command, name, lambda entry: entry.undo(MADE_AGAIN, new_id))
    note = _lost(context, before, new_id)
    context.change_run(command, lambda run: run.noting(note))


def _taken(context: StepContext, command: Command) -> set[str]:
    """Return the ids that must not be taken for a consumer that an earlier try made again.

    These are the consumers of the snapshot, and those that other entries were undone with.
    """
    snapshot = context.ledger.entry(command.migration_id, CLIENT).before or {"consumers": []}
    entries = context.ledger.under(command.migration_id, PREFIX).values()
    ids = {saved["consumer_id"] for saved in snapshot["consumers"]}
    return ids | {entry.detail for entry in entries if entry.undone == MADE_AGAIN}


def _lost(context: StepContext, before: Consumer, new_id: str) -> str:
    """Return the note for the operator about what the API cannot restore."""
    note = (
        f"consumer {before.consumer_id} ({shown(before.url)}) was made again as {new_id}: it has "
        "another signing secret and no custom headers, mTLS, throttle or transformation"
    )
    if name_at_hub := hub_consumer_of(before.url, context.limits.hub):
        note += (
            "; the hub accepts nothing from it before it has that secret: reveal it in the "
            f"Portal, then run tools/hub secrets add {name_at_hub}"
        )
    return note


def _present(context: StepContext) -> dict[str, Consumer]:
    return {consumer.consumer_id: consumer for consumer in context.codat.consumers()}


def _is_on(consumer: Consumer | None) -> bool:
    return consumer is not None and not consumer.disabled


def _with_outcome(entry: LedgerEntry, outcome: str | None) -> LedgerEntry:
    return replace(entry, outcome=outcome)


def _entry_name(consumer: Consumer) -> str:
    return f"{PREFIX}{consumer.consumer_id}"
