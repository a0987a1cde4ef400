"""Activity 1: switch off client-level schedules, and companies' own (docs/codat.md, C63).

A step posts the complete list and reads it back (docs/codat.md, C66). Before it changes settings
they must still be as in the snapshot.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from codat_hub.codat.errors import NotFound
from codat_hub.errors import StepFailed
from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.steps.left_over import (
    Attempts,
    client_not_restored,
    not_restored,
    settings_of,
    still_on,
)
from codat_hub.migration.steps.posting import post
from codat_hub.migration.usecases.context import (
    CLIENT,
    StepResult,
    companies_of,
    company_entry,
    judge_phase,
    look_again,
)

if TYPE_CHECKING:
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.domain.sync_settings import Settings
    from codat_hub.migration.usecases.context import Command, StepContext

PHASE = "disable_company_sync"
UNDO_PHASE = "reenable_company_sync"
_WHOSE = "the client's settings"


def apply(context: StepContext, command: Command) -> StepResult:
    """Switch the client's schedules off, unless companies that live by them are left behind."""
    context.check_client()
    run = context.change_run(command, lambda run: run.began(Activity.DISABLE_CLIENT_SYNC))
    entry = context.ledger.entry(run.migration_id, CLIENT)
    if run.everyone and entry.outcome is None:
        _switch_client_off(context, command, run, entry)
    return StepResult()


def _switch_client_off(
    context: StepContext, command: Command, run: MigrationRun, entry: LedgerEntry
) -> None:
    before = entry.before["settings"]
    wanted = _off(run, before)
    if entry.intended is None:
        _require_unchanged(before, context.codat.client_settings(), _WHOSE)
    context.ledger.intend(run.migration_id, command.epoch, {CLIENT: entry})
    post(context, command, CLIENT, partial(context.codat.set_client_settings, wanted))
    _require_posted(wanted, _client_read_back(context, command, wanted), _WHOSE)
    context.note(command, CLIENT, lambda entry: entry.came_to("off"))


def apply_chunk(context: StepContext, command: Command) -> StepResult:
    """Disable the company-level schedules in this chunk.

    In a subset run every company gets settings of its own, which override the client's.
    """
    run = context.run(command)
    tally = Tally(command.epoch)
    attempts = Attempts.forward(context, command, run, PHASE)
    for member, entry in companies_of(context, command):
        if not command.more_time():
            return StepResult("again")
        if not is_on(run, entry):
            tally = tally.skip()
            continue
        if entry.outcome is not None:
            tally = tally.did()
            continue
        switch = partial(_counting, attempts, member.company_id, entry)
        tally = attempts.attempt(tally, still_on(member.company_id), switch)
    return attempts.end(tally)


def _counting(attempts: Attempts, company_id: str, entry: LedgerEntry, tally: Tally) -> Tally:
    context, command, run = attempts.context, attempts.command, attempts.run
    if switch_company_off(context, command, run, company_id, entry):
        return tally.did()
    return tally.skip(f"{company_id} was deleted")


def is_on(run: MigrationRun, entry: LedgerEntry) -> bool:
    """Tell whether the snapshot has schedules of a company that this run switches off."""
    settings = entry.before and entry.before["settings"]
    return bool(settings) and _needs(run, settings)


def switch_company_off(
    context: StepContext, command: Command, run: MigrationRun, company_id: str, entry: LedgerEntry
) -> bool:
    """Switch a company's schedules off; tell whether Codat still has the company."""
    if entry.intended is None:
        current = settings_of(context, company_id)
        if current is None:
            return False
        _require_unchanged(entry.before["settings"], current, f"settings of {company_id}")
    return _post_off(context, command, run, company_id, entry)


def _post_off(
    context: StepContext, command: Command, run: MigrationRun, company_id: str, entry: LedgerEntry
) -> bool:
    """Post a company's settings with schedules off; tell whether Codat still has the company."""
    name, wanted = company_entry(company_id), _off(run, entry.before["settings"])
    context.ledger.intend(run.migration_id, command.epoch, {name: entry})
    current = _posted(context, command, company_id, wanted, name)
    if current is None:
        return False
    _require_posted(wanted, current, f"settings of {company_id}")
    context.note(command, name, lambda entry: entry.came_to("off"))
    return True


def keep_off(context: StepContext, command: Command, run: MigrationRun, company_id: str) -> None:
    """Give a company that keeps a product settings of its own that are off.

    So the client's schedules, once restored, do not read it a second time.
    """
    name = company_entry(company_id)
    entry = context.ledger.entry(run.migration_id, name)
    if entry.before is None or (entry.ours and entry.outcome == "off"):
        return
    before = entry.before["settings"] or settings_of(context, company_id)
    if before is None or (sync_settings.overrides(before) and sync_settings.is_off(before)):
        return
    if not entry.before["settings"]:  # the version before took no settings of late companies
        facts = {**entry.before, "settings": before}
        entry = context.ledger.note(run.migration_id, name, partial(replace, before=facts))
    _post_off(context, command, run, company_id, entry)


def judge(context: StepContext, command: Command) -> StepResult:
    """Answer how long to wait for quiet. Raises StepFailed on more failures than tolerated."""
    run = context.run(command)
    verdict = judge_phase(context, command, PHASE, run.listing)
    if verdict.bad(run.request.tolerated_failures):
        raise StepFailed(f"company settings: {verdict}")
    notes = [f"company settings: {verdict}"] if verdict.reasons else []
    # The time counts from here: until the last company is off, an old read may begin.
    context.change_run(
        command,
        lambda run: replace(run.noting(*notes), disabled_at=run.disabled_at or context.now()),
    )
    wait = timedelta(seconds=(run.plan or {})["wait_seconds"])
    return StepResult(wait_seconds=context.limits.seconds(wait))


def client_changes(
    context: StepContext, run: MigrationRun, *, unless_restored: bool = False
) -> list[str]:
    """Return the differences between the client's settings and what the run left there.

    unless_restored: settings that are as in the snapshot are no difference
    """
    entry = context.ledger.entry(run.migration_id, CLIENT)
    before = entry.before["settings"]
    left = _off(run, before) if entry.ours and run.off_value is not None else before
    current = context.codat.client_settings()
    if unless_restored and not sync_settings.differences(before, current):
        return []
    return [f"{_WHOSE}, {text}" for text in sync_settings.differences(left, current)]


def compensate(context: StepContext, command: Command) -> StepResult:
    """Undo of activity 1: restore the client's settings of the snapshot, if this run changed them.

    What Codat refuses is left over: the companies' own settings are restored all the same.
    """
    entry = context.ledger.entry(command.migration_id, CLIENT)
    if not entry.ours:
        return StepResult()

    def restore() -> None:
        before = entry.before["settings"]
        if sync_settings.differences(before, context.codat.client_settings()):
            send = partial(context.codat.set_client_settings, before)
            post(context, command, f"undo {CLIENT}", send)
            _require_posted(before, _client_read_back(context, command, before), _WHOSE)
        context.note(command, CLIENT, lambda entry: entry.undo("restored"))

    attempts = Attempts.back(context, command, context.run(command), CLIENT)
    attempts.try_client(client_not_restored(), restore)
    return attempts.again_or_done()


def compensate_chunk(context: StepContext, command: Command) -> StepResult:
    """Undo of activity 1: post the settings of the companies that this run changed."""
    run = context.run(command)
    tally = Tally(command.epoch)
    attempts = Attempts.back(context, command, run, UNDO_PHASE)
    for member, entry in companies_of(context, command):
        company_id = member.company_id
        if not command.more_time():
            return StepResult("again")
        if not entry.ours:
            tally = tally.skip()
        elif products := attempts.products_left(company_id):
            why = f"its schedules stay off while it keeps {', '.join(products)}"
            tally = tally.fail(attempts.leave(not_restored(company_id), why))
        else:
            restore = partial(_undo_company, attempts, company_id, entry)
            tally = attempts.attempt(tally, not_restored(company_id), restore)
    return attempts.end(tally)


def _undo_company(attempts: Attempts, company_id: str, entry: LedgerEntry, tally: Tally) -> Tally:
    context, command, run = attempts.context, attempts.command, attempts.run
    how, lost = _restore(context, command, run, company_id, entry)
    context.note(command, company_entry(company_id), partial(LedgerEntry.undo, how=how))
    return tally.did(lost)


def _restore(
    context: StepContext, command: Command, run: MigrationRun, company_id: str, entry: LedgerEntry
) -> tuple[str, str | None]:
    """Post a company's settings of the snapshot, unless they are so already.

    Returns the ledger's word for the undo, and a text about changes of others that it overwrote.
    """
    before = entry.before["settings"]
    current = settings_of(context, company_id)
    if current is None:
        return "company gone", f"{company_id} was deleted: nothing to restore"
    if not sync_settings.differences(before, current):
        return "restored", None
    lost = None
    if changes := sync_settings.differences(_off(run, before), current):
        lost = f"{company_id}: changes made since are overwritten: {'; '.join(changes[:5])}"
    current = _posted(context, command, company_id, before, f"undo {company_entry(company_id)}")
    if current is None:
        return "company gone", lost
    _require_posted(before, current, f"settings of {company_id}")
    return "restored", lost


def _posted(
    context: StepContext, command: Command, company_id: str, settings: Settings, change: str
) -> Settings | None:
    """Post a company's settings and read them back; None if the company is gone."""
    try:
        post(context, command, change, partial(context.codat.set_company_settings, settings))
    except NotFound:
        if settings_of(context, company_id) is None:
            return None
        raise
    return _company_read_back(context, command, company_id, settings)


def judge_undo(context: StepContext, command: Command) -> StepResult:
    """Count what was restored. What is left over stops the rollback at its end, by name."""
    verdict = judge_phase(context, command, UNDO_PHASE, "undo")
    if verdict.missing:
        raise StepFailed(f"company settings were not all restored: {verdict}")
    context.change_run(command, lambda run: run.noting(*verdict.reasons))
    return StepResult()


def _needs(run: MigrationRun, settings: Settings) -> bool:
    """Tell whether a company needs a change once the client's level is as the run wants it."""
    counts = sync_settings.overrides(settings) or not run.everyone
    return counts and sync_settings.needs_change(settings, run.request.fetch_on_first_link)


def _off(run: MigrationRun, before: Settings) -> Settings:
    if run.off_value is None:
        raise StepFailed("the run does not know which syncSchedule means off")
    return sync_settings.switched_off(before, run.off_value, run.request.fetch_on_first_link)


def _require_unchanged(before: Settings, current: Settings, whose: str) -> None:
    if changes := sync_settings.differences(before, current):
        raise StepFailed(f"{whose} changed since the snapshot: {'; '.join(changes[:5])}")


def _client_read_back(context: StepContext, command: Command, posted: Settings) -> Settings:
    return look_again(
        context,
        command,
        context.codat.client_settings,
        lambda current: not sync_settings.differences(posted, current),
    )


def _company_read_back(
    context: StepContext, command: Command, company_id: str, posted: Settings
) -> Settings | None:
    """Return a company's settings, None if Codat does not have the company any more."""
    return look_again(
        context,
        command,
        lambda: settings_of(context, company_id),
        lambda current: current is None or not sync_settings.differences(posted, current),
    )


def _require_posted(posted: Settings, current: Settings, whose: str) -> None:
    if wrong := sync_settings.differences(posted, current):
        raise StepFailed(f"{whose} are not as posted: {'; '.join(wrong[:5])}")
