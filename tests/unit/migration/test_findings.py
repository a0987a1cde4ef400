"""Which consumers are old, and which ones a plan creates."""

from dataclasses import replace

from codat_hub.migration.domain.consumers import Consumer
from codat_hub.migration.steps import planning
from codat_hub.migration.steps.findings import old_consumers, wanted_of
from tests.support.migration.planned import OLD, listed, planned
from tests.support.migration.step_world import ID


def test_plain_reads_come_to_the_hub_once_old_consumers_are_switched_off(world):
    world.company("a", 6)
    world.codat.hooks = [OLD]
    planned(world)
    names = [made["name"] for made in wanted_of(world.run)]
    assert names == ["product-lending", "product-standard", "successor-1"]


def test_a_disabled_consumer_is_not_old(world):
    world.company("a", 6)
    world.codat.hooks = [replace(OLD, disabled=True)]
    planned(world)
    assert [made["name"] for made in wanted_of(world.run)] == ["product-lending"]


def test_while_companies_are_left_behind_no_consumer_is_old(world):
    world.company("a", 6)
    world.codat.hooks = [OLD]
    ids = listed(world)
    facts = {"companies": 1, "left_behind": 1}
    world.ledger.note(ID, "LISTING#plan", lambda entry: entry.came_to("listed", facts))
    planning.survey(world.context, world.command(*ids, listing="plan"))
    planning.finish_plan(world.context, world.command())
    assert not world.run.everyone
    assert [made["name"] for made in wanted_of(world.run)] == ["product-lending"]


def test_old_are_those_of_the_snapshot_that_were_enabled(world):
    others = [replace(OLD, consumer_id="2", disabled=True), Consumer("3", "https://x", ("a",))]
    world.save_client(OLD, *others)
    world.codat.hooks = []
    assert old_consumers(world.context, ID) == [OLD]
