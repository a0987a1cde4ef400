"""Plan and snapshot: what is there, what would change, and whether it is what was approved."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from codat_hub.companies.domain.consent import missing
from codat_hub.errors import StepFailed
from codat_hub.migration.domain import sync_settings
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.consumers import Consumer, is_old, wanted
from codat_hub.migration.domain.entry import Entry
from codat_hub.migration.domain.plan import Client, ProductCount, Survey, digest_of, make_plan
from codat_hub.migration.domain.run import Status
from codat_hub.migration.usecases import listing as listings
from codat_hub.migration.usecases.context import Answer, company_entry, verdict
from codat_hub.products.domain.product import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codat_hub.companies.domain.assignment import Assignment
    from codat_hub.companies.domain.consent import Consent
    from codat_hub.migration.domain.chunk import Member
    from codat_hub.migration.domain.plan import Plan
    from codat_hub.migration.domain.run import Run
    from codat_hub.migration.domain.sync_settings import Settings
    from codat_hub.migration.usecases.context import Command, Parts
    from codat_hub.products.domain.product import Product

CLIENT = "CLIENT"


def plan(parts: Parts, command: Command) -> Answer:
    """List the companies of the run."""
    parts.check_client()
    return listings.list_companies(parts, command, "plan")


def survey(parts: Parts, command: Command) -> Answer:
    """Look at a chunk's companies. Changes nothing."""
    targets = parts.run(command.migration_id).request.products
    tally, found = Tally(command.epoch), Survey()
    for member in command.its_chunk.members:
        settings = parts.codat.company_settings(member.company_id)
        if settings is None:
            tally = tally.skip(f"{member.company_id} was deleted meanwhile")
            continue
        found = found.plus(_surveyed(parts, targets, member, settings, set(member.products)))
        tally = tally.did()
    _put(parts, command, "survey", replace(tally, survey=found))
    return Answer()


def finish_plan(parts: Parts, command: Command) -> Answer:
    """Make the plan. A refusal ends the run, with what to do; a dry run ends here as well."""
    _judge(parts, command, "survey", "plan")
    run = parts.run(command.migration_id)
    found = _added_up(parts, command, "survey", "plan")
    settings, present = parts.codat.client_settings(), parts.codat.consumers()
    client = _client(parts, run, settings, present, "plan")
    made = make_plan(run.request, client, found, parts.limits.calls_a_second)
    refusals = (*made.refusals, *_trial(parts, command))
    made = replace(made, refusals=refusals)
    _keep(parts, run, made, client)
    if refusals and not run.request.dry_run:
        raise StepFailed(f"refused: {' '.join(refusals)}")
    if run.request.dry_run:
        parts.ledger.change(run.migration_id, lambda one: one.ended(Status.PLANNED, parts.now()))
        return Answer("planned")
    return Answer("approval")


def snapshot(parts: Parts, command: Command) -> Answer:
    """Write down the client's settings and consumers, first and once; list the companies anew."""
    parts.check_client()
    run = parts.ledger.change(
        command.migration_id,
        lambda one: replace(
            one.forward("snapshot"), listing=f"snapshot-{(one.approved_hash or '')[:8]}"
        ),
    )
    if parts.ledger.entry(run.migration_id, CLIENT).before is None:
        before = {
            "settings": parts.codat.client_settings(),
            "consumers": [asdict(one) for one in parts.codat.consumers()],
        }
        parts.ledger.first(run.migration_id, CLIENT, Entry(before))
    return listings.list_companies(parts, command, run.listing)


def snapshot_companies(parts: Parts, command: Command) -> Answer:
    """Write down each company's settings and products, first and once."""
    targets = parts.run(command.migration_id).request.products
    tally, found = Tally(command.epoch), Survey()
    names = [company_entry(one.company_id) for one in command.its_chunk.members]
    known = parts.ledger.entries(command.migration_id, names)
    for member, name in zip(command.its_chunk.members, names, strict=True):
        if not command.more_time():
            return Answer("again")
        entry = known[name]
        if entry.before is None:
            settings = parts.codat.company_settings(member.company_id)
            if settings is None:
                tally = tally.skip(f"{member.company_id} was deleted meanwhile")
                continue
            facts = {"settings": settings, "products": list(member.products)}
            entry = parts.ledger.first(
                command.migration_id, name, Entry({**facts, "linked": member.linked})
            )
        before = entry.before
        had = set(before["products"])
        found = found.plus(_surveyed(parts, targets, member, before["settings"], had))
        tally = tally.did()
    _put(parts, command, "snapshot", replace(tally, survey=found))
    return Answer()


def compare_snapshot(parts: Parts, command: Command) -> Answer:
    """Go on with what was approved; ask again if what is there is something else by now."""
    run = parts.run(command.migration_id)
    _judge(parts, command, "snapshot", run.listing)
    found = _added_up(parts, command, "snapshot", run.listing)
    before = parts.ledger.entry(run.migration_id, CLIENT).before
    client = _client(
        parts, run, before["settings"], [_consumer(one) for one in before["consumers"]], run.listing
    )
    made = make_plan(run.request, client, found, parts.limits.calls_a_second)
    _keep(parts, run, made, client)
    if made.refusals:
        raise StepFailed(f"refused: {' '.join(made.refusals)}")
    if made.hash == run.approved_hash:
        return Answer()
    note = "what was found at the snapshot differs from the approved plan: it asks again"
    parts.ledger.change(run.migration_id, lambda one: one.noting(note))
    return Answer("differs")


def old_consumers(parts: Parts, migration_id: str) -> list[Consumer]:
    """Return the old consumers of the snapshot that were enabled then."""
    before = parts.ledger.entry(migration_id, CLIENT).before or {"consumers": []}
    known = [_consumer(one) for one in before["consumers"]]
    return [one for one in known if is_old(one) and not one.disabled]


def wanted_of(run: Run) -> list[Mapping[str, Any]]:
    """Return the consumers that the approved plan creates, as the plan has kept them."""
    return list((run.plan or {}).get("wanted", []))


def _surveyed(
    parts: Parts, targets: tuple[str, ...], member: Member, settings: Settings, had: set[str]
) -> Survey:
    own = sync_settings.overrides(settings)
    overriding = own and not sync_settings.is_off(settings)
    hours = [one["syncSchedule"] for one in settings["settings"] if one["syncSchedule"] > 0]
    pairs = parts.assignments.get_many((member.company_id, one) for one in targets)
    registered = parts.registry.products()
    counts = {
        one: _count(one in had, registered.get(one), pairs.get((member.company_id, one)))
        for one in targets
    }
    return Survey(
        companies=1,
        linked=int(member.linked),
        overriding=(member.company_id,) if overriding else (),
        overriding_count=int(overriding),
        reading=int(not sync_settings.is_off(settings)),
        unlinked=() if member.linked else (member.company_id,),
        products=counts,
        shortest_hours=min(hours, default=None) if own else None,
        digests=(digest_of(member.company_id, settings, had & set(targets)),),
    )


def _count(had: bool, product: Product | None, assignment: Assignment | None) -> ProductCount:
    if had:
        return ProductCount(had=1)
    if consented(product, assignment.consent if assignment else None):
        return ProductCount(adds=1)
    return ProductCount(without_consent=1)


def consented(product: Product | None, consent: Consent | None) -> bool:
    """Tell whether the customer has agreed to all that the product reads."""
    return bool(product and consent and consent.active and not missing(consent, product))


def _client(
    parts: Parts, run: Run, settings: Settings, present: list[Consumer], listing: str
) -> Client:
    facts = listings.facts_of(parts, run.migration_id, listing)
    everyone = facts.get("left_behind", 0) == 0
    refusals = []
    off = None
    try:
        off = sync_settings.off_value(settings, run.request.off_value)
    except sync_settings.OffUnknown as unknown:
        refusals.append(f"Refused: {unknown}")
    registered = parts.registry.products()
    unknown_products = [one for one in run.request.products if one not in registered]
    refusals += [f"Product {one} is not registered with the hub." for one in unknown_products]
    if run.request.company_ids and facts["companies"] < len(set(run.request.company_ids)):
        lost = len(set(run.request.company_ids)) - facts["companies"]
        refusals.append(f"{lost} of the company ids are unknown at Codat: correct the list.")
    old = [one for one in present if is_old(one) and not one.disabled] if everyone else []
    known = [registered[one] for one in run.request.products if one in registered]
    standard = [one.identifier for one in known if one.kind is Kind.STANDARD]
    # products that companies have already go on sending plain reads to whoever listens
    any_standard = any(one.kind is Kind.STANDARD for one in registered.values())
    to_create = wanted(
        run.migration_id,
        old,
        present,
        custom=[one.identifier for one in known if one.kind is Kind.CUSTOM],
        standard=bool(standard) or (bool(old) and any_standard),
        hub_url=parts.limits.hub_url,
    )
    return Client(
        settings, off, present, old, to_create, tuple(standard), everyone, tuple(refusals)
    )


def _trial(parts: Parts, command: Command) -> list[str]:
    """Find out whether the client may use the product endpoints at all, on the first company."""
    chunks = parts.manifests.get(listings.manifest_key(command.migration_id, "plan")) or []
    if not chunks:
        return ["The run covers no company."]
    refusal = parts.codat.products_are_enabled(chunks[0]["members"][0]["company_id"])
    return [f"Product endpoints are not enabled for this client: {refusal}"] if refusal else []


def _keep(parts: Parts, run: Run, made: Plan, client: Client) -> None:
    kept = {**made.as_json(), "wanted": [asdict(one) for one in client.wanted]}
    parts.ledger.change(
        run.migration_id,
        lambda one: replace(
            one,
            plan=kept,
            plan_hash=made.hash,
            off_value=client.off,
            everyone=client.everyone,
        ),
    )
    parts.manifests.put(f"{run.migration_id}/plans/{made.hash}.json", kept)


def _judge(parts: Parts, command: Command, phase: str, listing: str) -> None:
    seen = verdict(parts, command, phase, listing)
    if seen.bad(0):
        raise StepFailed(f"{phase}: {seen}")


def _added_up(parts: Parts, command: Command, phase: str, listing: str) -> Survey:
    total = Survey()
    surveys = [
        tally.survey
        for tally in parts.ledger.tallies(command.migration_id, phase, f"{listing}-")
        if tally.survey
    ]
    for one in surveys:
        total = total.plus(replace(one, digests=()))
    digests = tuple(digest for one in surveys for digest in one.digests)
    return replace(total, digests=digests)


def _put(parts: Parts, command: Command, phase: str, tally: Tally) -> None:
    parts.ledger.put_tally(
        command.migration_id, phase, command.its_chunk.name, replace(tally, finished=True)
    )


def _consumer(one: Mapping[str, Any]) -> Consumer:
    return Consumer(
        one["consumer_id"],
        one["url"],
        tuple(one["event_types"]),
        tuple(one["tags"]),
        one["disabled"],
    )
