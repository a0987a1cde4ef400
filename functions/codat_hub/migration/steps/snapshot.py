"""The snapshot: save what is there before any change, and compare it with the approved plan."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codat_hub.companies.domain.consent import covers
from codat_hub.errors import StepFailed
from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.consumers import Consumer
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.plan import SHOWN, Client, Survey, by_company, ceiling, make_plan
from codat_hub.migration.steps.findings import (
    client_facts,
    client_of,
    counted,
    require_all,
    save_plan,
    survey_of,
    survey_total,
    survey_total_of,
)
from codat_hub.migration.steps.left_over import Attempts, settings_of, still_on
from codat_hub.migration.usecases import listing as listings
from codat_hub.migration.usecases.context import CLIENT, StepResult, companies_of, company_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.migration.domain.chunk import Member
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.usecases.context import Command, StepContext

DIFFERS: Final = "the snapshot differs from the approved plan"  # begins a note


def snapshot(context: StepContext, command: Command) -> StepResult:
    """Save the client's settings and consumers, once; then list the companies again."""
    context.check_client()
    run = context.change_run(
        command,
        lambda run: replace(
            run.forward("snapshot"), listing=f"snapshot-{(run.approved_hash or '')[:8]}"
        ),
    )
    if context.ledger.entry(run.migration_id, CLIENT).before is None:
        before = {
            "settings": context.codat.client_settings(),
            "consumers": [asdict(consumer) for consumer in context.codat.consumers()],
        }
        context.ledger.first(run.migration_id, CLIENT, LedgerEntry(before))
    return listings.list_companies(context, command, run.listing)


def snapshot_companies(context: StepContext, command: Command) -> StepResult:
    """Save the settings and products of each company of a chunk, once."""
    run = context.run(command)
    tally = Tally(command.epoch, survey=Survey())
    attempts = Attempts.forward(context, command, run, "snapshot")

    def save(member: Member, known: LedgerEntry, tally: Tally) -> Tally:
        entry = known if known.before is not None else _saved(context, command, member)
        if entry is None:
            return tally.skip(f"{member.company_id} was deleted meanwhile")
        settings, had = entry.before["settings"], set(entry.before["products"])
        return counted(tally, survey_of(context, run.request, member, settings, had))

    for member, known in companies_of(context, command):
        if not command.more_time():
            return StepResult("again")
        item = still_on(member.company_id)
        tally = attempts.attempt(tally, item, partial(save, member, known))
    return attempts.end(tally)


def _saved(context: StepContext, command: Command, member: Member) -> LedgerEntry | None:
    """Save the settings and products of a company; None if Codat does not have it any more."""
    settings = settings_of(context, member.company_id)
    if settings is None:
        return None
    facts = {"settings": settings, "products": list(member.products), "linked": member.linked}
    name = company_entry(member.company_id)
    return context.ledger.first(command.migration_id, name, LedgerEntry(facts))


def compare_snapshot(context: StepContext, command: Command) -> StepResult:
    """Compare the plan of the snapshot with the approved one; answer `differs` if it differs."""
    run = context.run(command)
    require_all(context, command, "snapshot", run.listing)
    total = survey_total(context, command, "snapshot", run.listing)
    before = context.ledger.entry(run.migration_id, CLIENT).before
    present = [Consumer.from_ledger(saved) for saved in before["consumers"]]
    client = client_of(context, run, before["settings"], present, run.listing)
    made = make_plan(run.request, client, total, context.limits.calls_a_second)
    save_plan(context, run, made, client)
    if made.refusals:
        raise StepFailed(f"refused: {' '.join(made.refusals)}")
    if made.hash == run.approved_hash:
        return StepResult()
    differs, late = _compared(context, run, client, total)
    if differs:
        note = f"{DIFFERS}: {'; '.join(differs)}: the run asks again for approval"
    else:
        note = f"came since the approval, which covers them: {', '.join(late) or 'none'}"
    context.change_run(command, lambda run: run.noting(note))
    return StepResult("differs") if differs else StepResult()


def _compared(
    context: StepContext, run: MigrationRun, client: Client, now: Survey
) -> tuple[list[str], list[str]]:
    """Return how the snapshot differs from the approved plan, and the companies that came late.

    Late companies within the approval's ceiling are no difference, nor are deleted ones.
    """
    approved = context.manifests.get(f"{run.migration_id}/plans/{run.approved_hash}.json") or {}
    if "facts" not in approved:
        return ["it was approved under another version of the hub"], []
    phase = "survey" if approved["listing"] == "plan" else "snapshot"
    then = by_company(survey_total_of(context, run, phase, approved["listing"]).digests)
    companies = by_company(now.digests)
    late = sorted(companies.keys() - then.keys())
    changed = sorted(
        number for number in companies.keys() & then if companies[number] != then[number]
    )
    differs = _client_differences(approved["facts"], client_facts(client))
    if changed:
        differs.append(f"own settings or products of {_named(changed)}")
    if len(companies) > (most := ceiling(len(then))):
        differs.append(
            f"{len(companies)} companies, and the approval covers {most}: {_named(late)}"
        )
    return differs, _described(context, run, late)


def _client_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    texts = [
        f"the client's settings, {text}"
        for text in sync_settings.differences(then["settings"], now["settings"])
    ]
    names = {
        "consumers": "the consumers at Codat",
        "wanted": "the consumers to create",
        "everyone": "whether companies are left behind",
    }
    return texts + [text for name, text in names.items() if then[name] != now[name]]


def _described(context: StepContext, run: MigrationRun, late: list[str]) -> list[str]:
    """Return the first late companies, each with its consents and its settings before the run."""
    texts = []
    for company_id in late[:SHOWN]:
        settings = context.ledger.entry(run.migration_id, company_entry(company_id)).before
        own = settings and sync_settings.overrides(settings["settings"])
        pairs = ((company_id, product) for product in run.request.products)
        assigned = context.assignments.get_many(pairs)
        registered = context.registry.products()
        agreed = [
            product
            for (_, product), assignment in assigned.items()
            if product in registered and covers(assignment.consent, registered[product])
        ]
        whose = "its own settings" if own else "the client's settings"
        texts.append(f"{company_id} ({whose}, consent to {', '.join(agreed) or 'nothing'})")
    return texts + ([f"{len(late) - SHOWN} more"] if len(late) > SHOWN else [])


def _named(company_ids: list[str]) -> str:
    more = f" and {len(company_ids) - SHOWN} more" if len(company_ids) > SHOWN else ""
    return f"{', '.join(company_ids[:SHOWN])}{more}"
