"""One company costs itself: over HTTP against the sandbox, forward, back and again."""

import pytest

from codat_hub.migration.usecases.context import company_entry
from tests.support.migration.left_over import (
    PRODUCT,
    left,
    lift,
    refuse,
    roll_back,
    standing,
)
from tests.support.migration.world import OTHER, PRODUCTS, in_the_middle


@pytest.mark.parametrize("status", [402, 500])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_within_the_tolerance_a_company_with_refused_settings_gets_no_product(
    world, method, status
):
    overriding = next(one.id for one in world.state.companies.values() if one.override)
    refuse(world, overriding, "/syncSettings", method, status)
    run = world.migrate(tolerated_failures=1)
    assert run.status == "complete"
    assert left(world) == {(overriding, None)}
    others = [one for one in world.state.companies.values() if one.id != overriding]
    assert all(PRODUCT in one.products for one in others)
    assert standing(world).needs


def test_a_refused_removal_leaves_this_product_and_nothing_else(world, keeps):
    items = standing(world).left
    assert {(item["company_id"], item.get("product")) for item in items} == {
        (keeps, PRODUCT), (keeps, None),
    }  # fmt: skip
    assert "402" in next(item for item in items if item.get("product"))["error"]
    own = world.codat.company_settings(keeps)
    assert own["overridesDefaults"]
    assert all(setting["syncSchedule"] <= 0 for setting in own["settings"])
    assert not any("migration=" in consumer.url for consumer in world.codat.consumers())
    assert (
        world.codat.client_settings()
        == world.ledger.entry(world.migration_id, "CLIENT").before["settings"]
    )


def test_once_the_refusal_is_lifted_a_rerun_tries_only_what_is_left(world, keeps):
    lift(world)
    since = world.sandbox.requests.after(0)[-1]["n"]
    assert roll_back(world).status == "rolled_back"
    assert world.codat_now() == world.before
    writes = [call for call in world.writes(since) if "syncSettings" in call or "products" in call]
    assert all(keeps in call for call in writes)


def test_settings_that_a_person_restored_in_the_portal_count_as_restored(world):
    overriding = next(one.id for one in world.state.companies.values() if one.override)
    world.migrate()
    refuse(world, overriding, "/syncSettings", "POST")
    assert roll_back(world).status == "rollback_incomplete"
    lift(world)
    before = world.ledger.entry(world.migration_id, company_entry(overriding)).before["settings"]
    world.codat.set_company_settings(before, "a-key-of-the-portal")
    refuse(world, overriding, "/syncSettings", "POST")
    assert roll_back(world).status == "rolled_back"


def test_a_lost_manifest_leaves_nothing_in_place(world):
    before = world.codat_now()
    world.migrate()
    world.manifests.kept.clear()
    assert roll_back(world).status == "rolled_back"
    assert world.codat_now() == before


def test_beyond_the_tolerance_a_person_is_asked_before_consumers_are_touched(worlds):
    world = worlds(companies=10)
    world.migrate()
    refuse(world, ".*", "/products/", "DELETE")
    asked = []

    def operator(waiting_for):
        if waiting_for == "products_kept":
            asked.append([consumer.url for consumer in world.codat.consumers()])
            world.migrations.approve(world.migration_id, OTHER)
        else:
            world.willing(waiting_for)

    world.operator = operator
    assert len(world.companies) > 5
    assert roll_back(world).status == "rollback_incomplete"
    assert any(f"migration={world.migration_id}" in url for url in asked[0])
    assert len({company for company, product in left(world) if product}) > 5


def test_a_late_company_with_its_own_schedules_is_switched_off_and_restored(world):
    def appear():
        made = world.codat_client.create_company("Late Ltd").value
        settings = world.codat.company_settings(made.id)
        settings["overridesDefaults"] = True
        settings["settings"] = [{**one, "syncSchedule": 6} for one in settings["settings"]]
        world.codat.set_company_settings(settings, "a-key-of-the-portal")
        before.append((made.id, world.codat.company_settings(made.id)))
        for product in PRODUCTS:
            world.consent(made.id, product)

    before = []
    in_the_middle(world, "add_products", appear)
    assert world.migrate().status == "complete"
    ((late, settings),) = before
    assert PRODUCT in world.state.companies[late].products
    own = world.codat.company_settings(late)["settings"]
    assert all(setting["syncSchedule"] <= 0 for setting in own)
    assert roll_back(world).status == "rolled_back"
    assert world.codat.company_settings(late) == settings
    assert world.state.companies[late].products == []
