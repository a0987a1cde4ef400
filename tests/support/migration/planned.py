"""Takes a migration as far as its plan, on ports in memory."""

from codat_hub.migration.domain.consumers import Consumer
from codat_hub.migration.steps import planning
from tests.support.migration.step_world import ID

OLD = Consumer("1", "https://old.example", ("read.completed", "company.created"))


def listed(world, listing="plan"):
    """Take a migration as far as its chunk is listed."""
    world.change(chunks={listing: 1})
    ids = list(world.codat.companies)
    members = [{"company_id": company_id} for company_id in ids]
    world.manifests.put(f"{ID}/{listing}.json", [{"name": f"{listing}-000000", "members": members}])
    facts = {"companies": len(ids), "left_behind": 0}
    world.ledger.note(ID, f"LISTING#{listing}", lambda entry: entry.came_to("listed", facts))
    return ids


def planned(world):
    ids = listed(world)
    planning.survey(world.context, world.command(*ids, listing="plan"))
    return planning.finish_plan(world.context, world.command())
