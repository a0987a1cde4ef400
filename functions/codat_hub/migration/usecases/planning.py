"""The steps that plan a migration and take its snapshot, and compare both before any change."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from codat_hub.companies.domain.consent import covers
from codat_hub.errors import StepFailed
from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.consumers import Consumer, Wanted, is_old, wanted
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.plan import Client, ProductCount, Survey, digest_of, make_plan
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.usecases import listing as listings
from codat_hub.migration.usecases.context import (
    CLIENT,
    StepResult,
    companies_of,
    company_entry,
    finish_chunk,
    judge_phase,
    resuming,
)
from codat_hub.products.domain.product import ProductKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.migration.domain.chunk import Member
    from codat_hub.migration.domain.plan import Plan
    from codat_hub.migration.domain.run import MigrationRun
    from codat_hub.migration.domain.sync_settings import Settings
    from codat_hub.migration.usecases.context import Command, StepContext
    from codat_hub.products.domain.product import Product


def plan(context: StepContext, command: Command) -> StepResult:
    """List the companies of the run."""
    context.check_client()
    return listings.list_companies(context, command, "plan")


def survey(context: StepContext, command: Command) -> StepResult:
    """Survey the companies of a chunk. It changes nothing."""
    products = context.run(command).request.products
    with resuming(context, command, "survey") as progress:
        for member in progress.left:
            if not command.more_time():
                return StepResult("again")
            tally, total = progress.tally, progress.tally.survey or Survey()
            settings = context.codat.company_settings(member.company_id)
            if settings is None:
                progress.tally = tally.skip(f"{member.company_id} was deleted meanwhile")
                continue
            had = set(member.products)
            total = total.plus(_survey_of(context, products, member, settings, had))
            progress.tally = replace(tally.did(), survey=total)
    tally = progress.tally
    return finish_chunk(context, command, "survey", replace(tally, survey=tally.survey or Survey()))


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
    products = context.run(command).request.products
    tally, total = Tally(command.epoch), Survey()
    for member, known in companies_of(context, command):
        if not command.more_time():
            return StepResult("again")
        entry = known
        if entry.before is None:
            settings = context.codat.company_settings(member.company_id)
            if settings is None:
                tally = tally.skip(f"{member.company_id} was deleted meanwhile")
                continue
            facts = {
                "settings": settings,
                "products": list(member.products),
                "linked": member.linked,
            }
            entry = context.ledger.first(
                command.migration_id, company_entry(member.company_id), LedgerEntry(facts)
            )
        before = entry.before
        had = set(before["products"])
        total = total.plus(_survey_of(context, products, member, before["settings"], had))
        tally = tally.did()
    return finish_chunk(context, command, "snapshot", replace(tally, survey=total))


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
    note = "the snapshot differs from the approved plan: the run asks again for approval"
    context.change_run(command, lambda run: run.noting(note))
    return StepResult("differs")


def old_consumers(context: StepContext, migration_id: str) -> list[Consumer]:
    """Return the old consumers that were enabled at the snapshot."""
    before = context.ledger.entry(migration_id, CLIENT).before or {"consumers": []}
    consumers = [Consumer.from_ledger(saved) for saved in before["consumers"]]
    return [consumer for consumer in consumers if is_old(consumer) and not consumer.disabled]


def wanted_of(run: MigrationRun) -> list[Mapping[str, Any]]:
    """Return the consumers that the approved plan creates, as the run keeps them."""
    return list((run.plan or {}).get("wanted", []))


def _survey_of(
    context: StepContext,
    products: tuple[str, ...],
    member: Member,
    settings: Settings,
    had: set[str],
) -> Survey:
    """Return the survey of one company."""
    own = sync_settings.overrides(settings)
    overriding = own and not sync_settings.is_off(settings)
    schedules = (setting["syncSchedule"] for setting in settings["settings"])
    hours = [schedule for schedule in schedules if schedule > 0]
    assigned = context.assignments.get_many((member.company_id, product) for product in products)
    registered = context.registry.products()
    return Survey(
        companies=1,
        linked=int(member.linked),
        overriding=(member.company_id,) if overriding else (),
        overriding_count=int(overriding),
        reading=int(not sync_settings.is_off(settings)),
        unlinked=() if member.linked else (member.company_id,),
        products={
            product: _count(
                product in had, registered.get(product), assigned.get((member.company_id, product))
            )
            for product in products
        },
        shortest_hours=min(hours, default=None) if own else None,
        digests=(digest_of(member.company_id, settings, had & set(products)),),
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
        hub_url=context.limits.hub_url,
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
    context.manifests.put(f"{run.migration_id}/plans/{made.hash}.json", saved)


def _require_all(context: StepContext, command: Command, phase: str, listing: str) -> None:
    """Raise StepFailed unless every company of the listing was surveyed."""
    verdict = judge_phase(context, command, phase, listing)
    if verdict.bad(0):
        raise StepFailed(f"{phase}: {verdict}")


def _survey_total(context: StepContext, command: Command, phase: str, listing: str) -> Survey:
    """Add up the surveys of all chunks. Their digests are joined once: they may be 100,000."""
    tallies = context.ledger.tallies(command.migration_id, phase, f"{listing}-")
    surveys = [tally.survey for tally in tallies if tally.survey]
    total = reduce(Survey.plus, (replace(part, digests=()) for part in surveys), Survey())
    return replace(total, digests=tuple(digest for part in surveys for digest in part.digests))
