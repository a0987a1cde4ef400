"""What plan and snapshot find at Codat: the companies, the client, and the consumers to create."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import reduce
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from codat_hub.companies.domain.consent import covers
from codat_hub.errors import StepFailed
from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.consumers import Consumer, Wanted, is_old, migration_in, wanted
from codat_hub.migration.domain.plan import Client, ProductCount, Survey, digest_of
from codat_hub.migration.usecases import listing as listings
from codat_hub.migration.usecases.context import CLIENT, judge_phase
from codat_hub.products.domain.product import ProductKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.migration.domain.chunk import Member, Tally
    from codat_hub.migration.domain.plan import Plan
    from codat_hub.migration.domain.run import MigrationRequest, MigrationRun
    from codat_hub.migration.domain.sync_settings import Settings
    from codat_hub.migration.usecases.context import Command, StepContext
    from codat_hub.products.domain.product import Product


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
def survey_of(
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


def counted(tally: Tally, survey: Survey) -> Tally:
    """Count a company as done, with its survey."""
    return replace(tally.did(), survey=(tally.survey or Survey()).plus(survey))


def client_of(
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


def client_facts(client: Client) -> dict[str, Any]:
    """Return the facts about the client that an approval is bound to, as JSON keeps them."""
    facts = {
        "settings": dict(client.settings),
        "consumers": sorted(map(asdict, client.present), key=itemgetter("consumer_id")),
        "wanted": [asdict(facts) for facts in client.wanted],
        "everyone": client.everyone,
    }
    return json.loads(json.dumps(facts))  # type: ignore[no-any-return]


def save_plan(context: StepContext, run: MigrationRun, made: Plan, client: Client) -> None:
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
        {**saved, **compared, "facts": client_facts(client)},
    )


def require_all(context: StepContext, command: Command, phase: str, listing: str) -> None:
    """Raise StepFailed if more companies than tolerated could not be surveyed; note the others."""
    verdict = judge_phase(context, command, phase, listing)
    if verdict.bad(context.run(command).request.tolerated_failures):
        raise StepFailed(f"{phase}: {verdict}")
    if verdict.reasons:
        context.change_run(command, lambda run: run.noting(f"{phase}: {verdict}"))


def survey_total(context: StepContext, command: Command, phase: str, listing: str) -> Survey:
    """Add up the surveys of all chunks."""
    return survey_total_of(context, context.run(command), phase, listing)


def survey_total_of(context: StepContext, run: MigrationRun, phase: str, listing: str) -> Survey:
    """Add up the surveys of a listing. Digests are joined once: they may be 100,000."""
    tallies = context.ledger.tallies(run.migration_id, phase, f"{listing}-")
    surveys = [tally.survey for tally in tallies if tally.survey]
    total = reduce(Survey.plus, (replace(part, digests=()) for part in surveys), Survey())
    return replace(total, digests=tuple(digest for part in surveys for digest in part.digests))
