"""Activity 1: switch off client-level schedules, and companies' own (docs/codat.md, C63).

A step posts the complete list and reads it back (docs/codat.md, C66). Before it changes settings
they must still be as in the snapshot.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from codat_hub.codat.errors import Permanent
from codat_hub.errors import StepFailed
from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.steps.posting import post
from codat_hub.migration.usecases.context import (
    CLIENT,
    StepResult,
    companies_of,
    company_entry,
    finish_chunk,
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
    for member, entry in companies_of(context, command):
        if not command.more_time():
            return StepResult("again")
        if entry.before is None or not _needs(run, entry.before["settings"]):
            tally = tally.skip()
            continue
        if entry.outcome is not None:
            tally = tally.did()
            continue
        try:
            gone = _switch_company_off(context, command, run, member.company_id, entry)
        except (StepFailed, Permanent) as refusal:
            tally = tally.fail(f"{member.company_id}: {refusal}")
        else:
            tally = tally.skip(f"{member.company_id} was deleted") if gone else tally.did()
    return finish_chunk(context, command, PHASE, tally)


def _switch_company_off(
    context: StepContext, command: Command, run: MigrationRun, company_id: str, entry: LedgerEntry
) -> bool:
    """Switch a company's schedules off; tell whether Codat does not have the company any more."""
    name, before = company_entry(company_id), entry.before["settings"]
    wanted = _off(run, before)
    if entry.intended is None:
        current = context.codat.company_settings(company_id)
        if current is None:
            return True
        _require_unchanged(before, current, f"settings of {company_id}")
    context.ledger.intend(run.migration_id, command.epoch, {name: entry})
    post(context, command, name, partial(context.codat.set_company_settings, wanted))
    current = _company_read_back(context, command, company_id, wanted)
    if current is None:
        return True
    _require_posted(wanted, current, f"settings of {company_id}")
    context.note(command, name, lambda entry: entry.came_to("off"))
    return False


def judge(context: StepContext, command: Command) -> StepResult:
    """Answer how long to wait for quiet. Raises StepFailed on more failures than tolerated."""
    run = context.run(command)
    verdict = judge_phase(context, command, PHASE, run.listing)
    if verdict.bad(run.request.tolerated_failures):
        raise StepFailed(f"company settings: {verdict}")
    notes = [f"company settings: {verdict}"] if verdict.failed else []
    # The time counts from here: until the last company is off, an old read may begin.
    context.change_run(
        command,
        lambda run: replace(run.noting(*notes), disabled_at=run.disabled_at or context.now()),
    )
    wait = timedelta(seconds=(run.plan or {})["wait_seconds"])
    return StepResult(wait_seconds=context.limits.seconds(wait))


def compensate(context: StepContext, command: Command) -> StepResult:
    """Undo of activity 1: post the client's settings of the snapshot, if this run changed them."""
    entry = context.ledger.entry(command.migration_id, CLIENT)
    if entry.ours:
        before = entry.before["settings"]
        send = partial(context.codat.set_client_settings, before)
        post(context, command, f"undo {CLIENT}", send)
        _require_posted(before, _client_read_back(context, command, before), _WHOSE)
        context.note(command, CLIENT, lambda entry: entry.undo("restored"))
    return StepResult()


def compensate_chunk(context: StepContext, command: Command) -> StepResult:
    """Undo of activity 1: post the settings of the companies that this run changed."""
    run = context.run(command)
    tally = Tally(command.epoch)
    for member, entry in companies_of(context, command):
        if not command.more_time():
            return StepResult("again")
        if not entry.ours:
            tally = tally.skip()
            continue
        try:
            how, lost = _restore(context, command, run, member.company_id, entry)
        except (StepFailed, Permanent) as refusal:
            tally = tally.fail(f"{member.company_id}: {refusal}")
            continue
        name = company_entry(member.company_id)
        context.note(command, name, partial(LedgerEntry.undo, how=how))
        tally = tally.did(lost)
    return finish_chunk(context, command, UNDO_PHASE, tally)


def _restore(
    context: StepContext, command: Command, run: MigrationRun, company_id: str, entry: LedgerEntry
) -> tuple[str, str | None]:
    """Post a company's settings of the snapshot.

    Returns the ledger's word for the undo, and a text about changes of others that it overwrote.
    """
    before = entry.before["settings"]
    current = context.codat.company_settings(company_id)
    if current is None:
        return "company gone", None
    changes = sync_settings.differences(_off(run, before), current)
    lost = None
    # If the run's POST never arrived, the settings are still as before: nothing is lost.
    if changes and sync_settings.differences(before, current):
        lost = f"{company_id}: changes made since are overwritten: {'; '.join(changes[:5])}"
    send = partial(context.codat.set_company_settings, before)
    post(context, command, f"undo {company_entry(company_id)}", send)
    current = _company_read_back(context, command, company_id, before)
    if current is None:
        return "company gone", lost
    _require_posted(before, current, f"settings of {company_id}")
    return "restored", lost


def judge_undo(context: StepContext, command: Command) -> StepResult:
    """Raise StepFailed unless every company's settings were restored."""
    verdict = judge_phase(context, command, UNDO_PHASE, "undo")
    if verdict.bad(0):
        raise StepFailed(f"company settings were not all restored: {verdict}")
    context.change_run(command, lambda run: run.noting(*verdict.reasons))
    return StepResult()


def _needs(run: MigrationRun, settings: Settings) -> bool:
    """Tell whether a company's schedules are on once the client's level is as the run wants it."""
    if run.everyone:
        return sync_settings.overrides(settings) and not sync_settings.is_off(settings)
    return not sync_settings.is_off(settings)


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
) -> dict[str, Any] | None:
    """Return a company's settings, None if Codat does not have the company any more."""
    return look_again(
        context,
        command,
        lambda: context.codat.company_settings(company_id),
        lambda current: current is None or not sync_settings.differences(posted, current),
    )


def _require_posted(posted: Settings, current: Settings, whose: str) -> None:
    if wrong := sync_settings.differences(posted, current):
        raise StepFailed(f"{whose} are not as posted: {'; '.join(wrong[:5])}")
