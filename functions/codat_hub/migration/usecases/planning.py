"""The steps that plan a migration and take its snapshot, and compare both before any change."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial, reduce
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from codat_hub.companies.domain.consent import covers
from codat_hub.errors import StepFailed
from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.consumers import Consumer, Wanted, is_old, migration_in, wanted
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.plan import (
    SHOWN,
    Client,
    ProductCount,
    Survey,
    by_company,
    ceiling,
    digest_of,
    make_plan,
)
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.steps.left_over import Attempts, settings_of, still_on
from codat_hub.migration.usecases import listing as listings
from codat_hub.migration.usecases.context import (
    CLIENT,
    StepResult,
    companies_of,
    company_entry,
    judge_phase,
)
from codat_hub.products.domain.product import ProductKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.migration.domain.chunk import Member
    from codat_hub.migration.domain.plan import Plan
    from codat_hub.migration.domain.run import MigrationRequest, MigrationRun
    from codat_hub.migration.domain.sync_settings import Settings
    from codat_hub.migration.usecases.context import Command, StepContext
    from codat_hub.products.domain.product import Product


DIFFERS: Final = "the snapshot differs from the approved plan"  # begins a note


def plan(context: StepContext, command: Command) -> StepResult:
    """List the companies of the run."""
    context.check_client()
    return listings.list_companies(context, command, "plan")


def survey(context: StepContext, command: Command) -> StepResult:
    """Survey the companies of a chunk. It changes nothing."""
    run = context.run(command)
    tally = Tally(command.epoch, survey=Survey())
    attempts = Attempts.forward(context, command, run, "survey")

    def look(member: Member, tally: Tally) -> Tally:
        settings = settings_of(context, member.company_id)
        if settings is None:
            return tally.skip(f"{member.company_id} was deleted meanwhile")
        had = set(member.products)
        return _with(tally, _survey_of(context, run.request, member, settings, had))

    for member in command.required_chunk.members:
        if not command.more_time():
            return StepResult("again")
        tally = attempts.attempt(tally, still_on(member.company_id), partial(look, member))
    return attempts.end(tally)


def _with(tally: Tally, survey: Survey) -> Tally:
    """Count a company as done, with its survey."""
    return replace(tally.did(), survey=(tally.survey or Survey()).plus(survey))


def finish_plan(context: StepContext, command: Command) -> StepResult:
    """Make the plan. Answers `planned` for a dry run, else `approval`.

    Raises StepFailed if the plan is refused, except in a dry run, whose plan shows the refusals.
    """
    _require_all(context, command, "survey", "plan")
    run = context.run(command)
    total = _survey_total(context, command, "survey", "plan")
    settings, present = context.codat.client_settings(), context.codat.consumers()
    client = _client(context, run, settings, present, "plan")
    made = make_plan(run.request, client, total, context.limits.calls_a_second)
    refusals = (*made.refusals, *_trial(context, command))
    made = replace(made, refusals=refusals)
    _save_plan(context, run, made, client)
    if refusals and not run.request.dry_run:
        raise StepFailed(f"refused: {' '.join(refusals)}")
    if run.request.dry_run:
        context.change_run(command, lambda run: run.ended(MigrationStatus.PLANNED, context.now()))
        return StepResult("planned")
    return StepResult("approval")


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
        return _with(tally, _survey_of(context, run.request, member, settings, had))

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
    _require_all(context, command, "snapshot", run.listing)
    total = _survey_total(context, command, "snapshot", run.listing)
    before = context.ledger.entry(run.migration_id, CLIENT).before
    present = [Consumer.from_ledger(saved) for saved in before["consumers"]]
    client = _client(context, run, before["settings"], present, run.listing)
    made = make_plan(run.request, client, total, context.limits.calls_a_second)
    _save_plan(context, run, made, client)
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
    then = by_company(_survey_total_of(context, run, phase, approved["listing"]).digests)
    companies = by_company(now.digests)
    late = sorted(companies.keys() - then.keys())
    changed = sorted(
        number for number in companies.keys() & then if companies[number] != then[number]
    )
    differs = _client_differences(approved["facts"], _facts(client))
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


def _facts(client: Client) -> dict[str, Any]:
    """Return the facts about the client that an approval is bound to, as JSON keeps them."""
    facts = {
        "settings": dict(client.settings),
        "consumers": sorted(map(asdict, client.present), key=itemgetter("consumer_id")),
        "wanted": [asdict(facts) for facts in client.wanted],
        "everyone": client.everyone,
    }
    return json.loads(json.dumps(facts))  # type: ignore[no-any-return]


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


def old_consumers(context: StepContext, migration_id: str) -> list[Consumer]:
    """Return the old consumers that were enabled at the snapshot."""
    before = context.ledger.entry(migration_id, CLIENT).before or {"consumers": []}
    consumers = [Consumer.from_ledger(saved) for saved in before["consumers"]]
    return [consumer for consumer in consumers if is_old(consumer) and not consumer.disabled]


def wanted_of(run: MigrationRun) -> list[Mapping[str, Any]]:
    """Return the consumers that the approved plan creates, as the run keeps them."""
    return list((run.plan or {}).get("wanted", []))


def lost_since_snapshot(
    context: StepContext, run: MigrationRun, present: list[Consumer]
) -> list[Mapping[str, Any]]:
    """Return the consumers to create in place of kept ones that were lost since the snapshot."""
    before = context.ledger.entry(run.migration_id, CLIENT).before or {"consumers": []}
    kept = [Consumer.from_ledger(saved) for saved in before["consumers"]]
    old = old_consumers(context, run.migration_id) if run.everyone else []
    registered = context.registry.products()
    others = [consumer for consumer in present if migration_in(consumer.url) != run.migration_id]
    needed_then = {facts.name for facts in _wanted(context, run, registered, old, kept)}
    needed_now = _wanted(context, run, registered, old, others)
    return [asdict(facts) for facts in needed_now if facts.name not in needed_then]


# Long because it fills every field of the survey.
def _survey_of(
    context: StepContext,
    request: MigrationRequest,
    member: Member,
    settings: Settings,
    had: set[str],
) -> Survey:
    """Return the survey of one company."""
    own = sync_settings.overrides(settings)
    changes = sync_settings.needs_change(settings, request.fetch_on_first_link)
    overriding = own and changes
    locked = sync_settings.locked(settings) if own else []
    schedules = (
        setting["syncSchedule"]
        for setting in settings["settings"]
        if setting["dataType"] not in locked
    )
    hours = [schedule for schedule in schedules if schedule > 0]
    pairs = ((member.company_id, product) for product in request.products)
    assigned = context.assignments.get_many(pairs)
    registered = context.registry.products()
    return Survey(
        companies=1,
        linked=int(member.linked),
        overriding=(member.company_id,) if overriding else (),
        overriding_count=int(overriding),
        reading=int(changes),
        locked=(f"{member.company_id}: {', '.join(locked)}",) if locked else (),
        unlinked=() if member.linked else (member.company_id,),
        products={
            product: _count(
                product in had, registered.get(product), assigned.get((member.company_id, product))
            )
            for product in request.products
        },
        shortest_hours=min(hours, default=None) if own else None,
        digests=(digest_of(member.company_id, settings, had & set(request.products)),),
    )


def _count(had: bool, product: Product | None, assignment: Assignment | None) -> ProductCount:
    if had:
        return ProductCount(had=1)
    if product and covers(assignment.consent if assignment else None, product):
        return ProductCount(adds=1)
    return ProductCount(without_consent=1)


def _client(
    context: StepContext,
    run: MigrationRun,
    settings: Settings,
    present: list[Consumer],
    listing: str,
) -> Client:
    """Return the facts about the client. If companies are left behind, no consumer is old."""
    facts = listings.facts_of(context, run.migration_id, listing)
    everyone = facts.get("left_behind", 0) == 0
    registered = context.registry.products()
    products = [registered[name] for name in run.request.products if name in registered]
    old = [
        consumer for consumer in present if everyone and is_old(consumer) and not consumer.disabled
    ]
    refusals = _refusals(run, registered, facts["companies"])
    off = None
    try:
        off = sync_settings.off_value(settings, run.request.off_value)
    except sync_settings.OffUnknown as unknown:
        refusals.insert(0, f"Refused: {unknown}")
    return Client(
        settings=settings,
        off=off,
        present=present,
        old=old,
        wanted=_wanted(context, run, registered, old, present),
        standard=tuple(_names(products, ProductKind.STANDARD)),
        everyone=everyone,
        refusals=tuple(refusals),
    )


def _refusals(run: MigrationRun, registered: Mapping[str, Product], companies: int) -> list[str]:
    """Return why a run over these products and this many listed companies cannot start."""
    refusals = [
        f"Product {name} is not registered with the hub: run tools/hub products apply."
        for name in run.request.products
        if name not in registered
    ]
    unknown = len(set(run.request.company_ids or ())) - companies
    if unknown > 0:
        refusals.append(f"{unknown} of the company ids are unknown at Codat: correct the list.")
    return refusals


def _wanted(
    context: StepContext,
    run: MigrationRun,
    registered: Mapping[str, Product],
    old: list[Consumer],
    present: list[Consumer],
) -> tuple[Wanted, ...]:
    """Return the consumers to create.

    Companies that have a standard product already go on sending plain reads. So the hub needs them
    too as soon as old consumers are switched off, whatever the products of the run are.
    """
    products = [registered[name] for name in run.request.products if name in registered]
    any_standard = bool(_names(registered.values(), ProductKind.STANDARD))
    return wanted(
        run.migration_id,
        old,
        present,
        custom=_names(products, ProductKind.CUSTOM),
        standard=bool(_names(products, ProductKind.STANDARD)) or (bool(old) and any_standard),
        hub=context.limits.hub,
    )


def _names(products: Iterable[Product], kind: ProductKind) -> list[str]:
    return [product.identifier for product in products if product.kind is kind]


def _trial(context: StepContext, command: Command) -> list[str]:
    """Try on the first company whether the client may use the product endpoints at all."""
    chunks = context.manifests.get(listings.manifest_key(command.migration_id, "plan")) or []
    if not chunks:
        return ["The run covers no company."]
    refusal = context.codat.products_are_enabled(chunks[0]["members"][0]["company_id"])
    return [f"Product endpoints are not enabled for this client: {refusal}"] if refusal else []


def _save_plan(context: StepContext, run: MigrationRun, made: Plan, client: Client) -> None:
    saved = {**made.as_json(), "wanted": [asdict(consumer) for consumer in client.wanted]}
    context.ledger.change(
        run.migration_id,
        lambda run: replace(
            run, plan=saved, plan_hash=made.hash, off_value=client.off, everyone=client.everyone
        ),
    )
    compared = {"listing": "plan" if run.approved_hash is None else run.listing}
    context.manifests.put(
        f"{run.migration_id}/plans/{made.hash}.json",
        {**saved, **compared, "facts": _facts(client)},
    )


def _require_all(context: StepContext, command: Command, phase: str, listing: str) -> None:
    """Raise StepFailed if more companies than tolerated could not be surveyed; note the others."""
    verdict = judge_phase(context, command, phase, listing)
    if verdict.bad(context.run(command).request.tolerated_failures):
        raise StepFailed(f"{phase}: {verdict}")
    if verdict.reasons:
        context.change_run(command, lambda run: run.noting(f"{phase}: {verdict}"))


def _survey_total(context: StepContext, command: Command, phase: str, listing: str) -> Survey:
    """Add up the surveys of all chunks."""
    return _survey_total_of(context, context.run(command), phase, listing)


def _survey_total_of(context: StepContext, run: MigrationRun, phase: str, listing: str) -> Survey:
    """Add up the surveys of a listing. Digests are joined once: they may be 100,000."""
    tallies = context.ledger.tallies(run.migration_id, phase, f"{listing}-")
    surveys = [tally.survey for tally in tallies if tally.survey]
    total = reduce(Survey.plus, (replace(part, digests=()) for part in surveys), Survey())
    return replace(total, digests=tuple(digest for part in surveys for digest in part.digests))
