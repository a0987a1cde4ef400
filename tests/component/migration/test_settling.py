"""A person settles what a rollback left over: over HTTP against the sandbox."""

import pytest

from codat_hub.errors import Absent, Conflict
from tests.support.migration.left_over import (
    PRODUCT,
    REASON,
    left,
    lift,
    refuse,
    refuse_path,
    roll_back,
    settle,
    standing,
)


def test_settled_after_a_rerun_the_run_ends_and_the_next_one_starts(world, keeps):
    with pytest.raises(Conflict, match="repeated rollback"):
        settle(world, keeps, PRODUCT)
    assert roll_back(world).status == "rollback_incomplete"
    assert any("settle" in need["command"] for need in standing(world).needs)
    settle(world, keeps, PRODUCT)
    assert world.run.status == "rolled_back"
    assert standing(world).left == []
    assert {item["reason"] for item in standing(world).settled} == {REASON}
    assert world.lock.active() is None
    lift(world)
    assert world.migrate().status == "complete"


def test_a_product_without_consent_and_what_is_not_left_are_not_settled(world, keeps):
    assert roll_back(world).status == "rollback_incomplete"
    with pytest.raises(Absent):
        settle(world, "another")
    with pytest.raises(Conflict, match="settle the products"):
        settle(world, keeps)
    world.consent(keeps, PRODUCT, revoked=True)
    with pytest.raises(Conflict, match="without a consent"):
        settle(world, keeps, PRODUCT)
    assert world.run.status == "rollback_incomplete"


def test_a_consumer_that_codat_does_not_create_again_costs_itself_and_can_be_settled(world):
    settings = world.codat.client_settings()
    world.migrate(mode="api")
    refuse_path(world, "/webhooks", "POST", 400)
    assert roll_back(world).status == "rollback_incomplete"
    assert world.codat.client_settings() == settings
    consumers = [item["consumer"] for item in standing(world).left]
    assert len(consumers) == 2
    with pytest.raises(Conflict, match="repeated rollback"):
        settle(world, None, consumer=consumers[0])
    assert roll_back(world).status == "rollback_incomplete"
    commands = [need["command"] for need in standing(world).needs]
    for consumer in consumers:
        assert any(f"--consumer {consumer}" in command for command in commands)
        settle(world, None, consumer=consumer)
    assert world.run.status == "rolled_back"
    assert world.lock.active() is None


def test_client_settings_that_codat_refuses_for_good_can_be_settled(world):
    world.migrate()
    refuse_path(world, "/profile/syncSettings", "POST", 403)
    for _ in range(2):
        assert roll_back(world).status == "rollback_incomplete"
    assert any("--client-settings" in need["command"] for need in standing(world).needs)
    settle(world, None)
    assert world.run.status == "rolled_back"


def test_settings_that_are_not_restored_can_be_settled(world):
    overriding = next(one.id for one in world.state.companies.values() if one.override)
    world.migrate()
    refuse(world, overriding, "/syncSettings", "POST")
    for _ in range(2):
        assert roll_back(world).status == "rollback_incomplete"
    assert left(world) == {(overriding, None)}
    settle(world, overriding)
    assert world.run.status == "rolled_back"
