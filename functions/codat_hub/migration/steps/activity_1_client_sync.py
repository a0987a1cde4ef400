"""Activity 1: switch off client-level schedules, companies' own too (docs/codat.md, C63).

The list to post is always the complete one (docs/codat.md, C66).
What is there must still be the snapshot before it is changed, and is read back afterwards.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from codat_hub.codat.errors import Permanent
from codat_hub.errors import StepFailed
from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.run import Activity
from codat_hub.migration.usecases.context import StepResult, call_key, company_entry, verdict
from codat_hub.migration.usecases.planning import CLIENT

if TYPE_CHECKING:
    from codat_hub.migration.domain.entry import LedgerEntry
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.domain.sync_settings import Settings
    from codat_hub.migration.usecases.context import Command, StepContext

PHASE = "disable_company_sync"
UNDO_PHASE = "reenable_company_sync"


def apply(parts: StepContext, command: Command) -> StepResult:
    """Switch the client's schedules off, unless companies are left behind that live by them."""
    parts.check_client()
    run = parts.ledger.change(
        command.migration_id, lambda one: one.began(Activity.DISABLE_CLIENT_SYNC)
    )
    entry = parts.ledger.entry(run.migration_id, CLIENT)
    if run.everyone and entry.outcome is None:
        _switch_client_off(parts, command, run, entry)
    return StepResult()


def _switch_client_off(
    parts: StepContext, command: Command, run: MigrationRun, entry: LedgerEntry
) -> None:
    before = entry.before["settings"]
    wanted = _off(run, before)
    if entry.intended is None:
        _still(before, parts.codat.client_settings(), "the client's settings")
    parts.ledger.intend(run.migration_id, command.epoch, {CLIENT: entry})
    parts.codat.set_client_settings(wanted, call_key(command, CLIENT))
    _compare(wanted, parts.codat.client_settings(), "the client's settings")
    parts.ledger.note(run.migration_id, CLIENT, lambda one: one.came_to("off"))


def apply_chunk(parts: StepContext, command: Command) -> StepResult:
    """Switch off what companies of a chunk have of their own; of a subset, every one's."""
    run = parts.run(command.migration_id)
    tally = Tally(command.epoch)
    names = [company_entry(one.company_id) for one in command.its_chunk.members]
    known = parts.ledger.entries(run.migration_id, names)
    for member, name in zip(command.its_chunk.members, names, strict=True):
        if not command.more_time():
            return StepResult("again")
        entry = known[name]
        if entry.before is None or not _needs(run, entry.before["settings"]):
            tally = tally.skip()
            continue
        if entry.outcome is not None:
            tally = tally.did()
            continue
        try:
            gone = _switch_company_off(parts, command, run, member.company_id, entry)
        except (StepFailed, Permanent) as refusal:
            tally = tally.fail(f"{member.company_id}: {refusal}")
        else:
            tally = tally.skip(f"{member.company_id} was deleted") if gone else tally.did()
    parts.ledger.put_tally(
        run.migration_id, PHASE, command.its_chunk.name, replace(tally, finished=True)
    )
    return StepResult()


def _switch_company_off(
    parts: StepContext, command: Command, run: MigrationRun, company_id: str, entry: LedgerEntry
) -> bool:
    """Tell whether the company turned out to be gone."""
    name, before = company_entry(company_id), entry.before["settings"]
    wanted = _off(run, before)
    if entry.intended is None:
        found = parts.codat.company_settings(company_id)
        if found is None:
            return True
        _still(before, found, f"settings of {company_id}")
    parts.ledger.intend(run.migration_id, command.epoch, {name: entry})
    parts.codat.set_company_settings(wanted, call_key(command, name))
    found = parts.codat.company_settings(company_id)
    if found is None:
        return True
    _compare(wanted, found, f"settings of {company_id}")
    parts.ledger.note(run.migration_id, name, lambda one: one.came_to("off"))
    return False


def judge(parts: StepContext, command: Command) -> StepResult:
    """Go on to wait for quiet, or fail with what failed."""
    run = parts.run(command.migration_id)
    seen = verdict(parts, command, PHASE, run.listing)
    if seen.bad(run.request.tolerated_failures):
        raise StepFailed(f"company settings: {seen}")
    notes = [f"company settings: {seen}"] if seen.failed else []
    # only now: a company that is still on may have begun a read a moment ago
    parts.ledger.change(
        run.migration_id,
        lambda one: replace(one.noting(*notes), disabled_at=one.disabled_at or parts.now()),
    )
    wait = timedelta(seconds=(run.plan or {})["wait_seconds"])
    return StepResult(wait_seconds=parts.limits.seconds(wait))


def compensate(parts: StepContext, command: Command) -> StepResult:
    """Post the client's snapshot again, if this run has switched it off or meant to."""
    entry = parts.ledger.entry(command.migration_id, CLIENT)
    if entry.ours:
        before = entry.before["settings"]
        parts.codat.set_client_settings(before, call_key(command, f"undo {CLIENT}"))
        _compare(before, parts.codat.client_settings(), "the client's settings")
        parts.ledger.note(command.migration_id, CLIENT, lambda one: one.undo("restored"))
    return StepResult()


def compensate_chunk(parts: StepContext, command: Command) -> StepResult:
    """Post the snapshots of a chunk's companies again, where this run has changed them."""
    run = parts.run(command.migration_id)
    tally = Tally(command.epoch)
    names = [company_entry(one.company_id) for one in command.its_chunk.members]
    known = parts.ledger.entries(command.migration_id, names)
    for member, name in zip(command.its_chunk.members, names, strict=True):
        if not command.more_time():
            return StepResult("again")
        if not known[name].ours:
            tally = tally.skip()
            continue
        try:
            how, lost = _restore(parts, command, run, member.company_id, known[name])
        except (StepFailed, Permanent) as refusal:
            tally = tally.fail(f"{member.company_id}: {refusal}")
            continue
        parts.ledger.note(command.migration_id, name, lambda one, how=how: one.undo(how))  # type: ignore[misc]
        tally = tally.did(lost)
    parts.ledger.put_tally(
        command.migration_id, UNDO_PHASE, command.its_chunk.name, replace(tally, finished=True)
    )
    return StepResult()


def _restore(
    parts: StepContext, command: Command, run: MigrationRun, company_id: str, entry: LedgerEntry
) -> tuple[str, str | None]:
    """Return how, and what somebody had changed since, which the snapshot has overwritten."""
    before = entry.before["settings"]
    there = parts.codat.company_settings(company_id)
    if there is None:
        return "company gone", None
    changed = sync_settings.differences(_off(run, before), there)
    lost = None
    if changed and sync_settings.differences(before, there):  # the POST may never have arrived
        lost = f"{company_id}: what was changed since is overwritten: {'; '.join(changed[:5])}"
    key = call_key(command, f"undo {company_entry(company_id)}")
    parts.codat.set_company_settings(before, key)
    found = parts.codat.company_settings(company_id)
    if found is None:
        return "company gone", lost
    _compare(before, found, f"settings of {company_id}")
    return "restored", lost


def judge_undo(parts: StepContext, command: Command) -> StepResult:
    seen = verdict(parts, command, UNDO_PHASE, "undo")
    if seen.bad(0):
        raise StepFailed(f"company settings were not all restored: {seen}")
    parts.ledger.change(command.migration_id, lambda one: one.noting(*seen.reasons))
    return StepResult()


def _needs(run: MigrationRun, settings: Settings) -> bool:
    if run.everyone:
        return sync_settings.overrides(settings) and not sync_settings.is_off(settings)
    return not sync_settings.is_off(settings)


def _off(run: MigrationRun, before: Settings) -> Settings:
    if run.off_value is None:
        raise StepFailed("which syncSchedule means off is not known")
    return sync_settings.switched_off(before, run.off_value, run.request.fetch_on_first_link)


def _still(before: Settings, found: Settings, whose: str) -> None:
    if changed := sync_settings.differences(before, found):
        raise StepFailed(f"{whose} changed since the snapshot: {'; '.join(changed[:5])}")


def _compare(wanted: Settings, found: Settings, whose: str) -> None:
    if wrong := sync_settings.differences(wanted, found):
        raise StepFailed(f"{whose} are not as posted: {'; '.join(wrong[:5])}")
