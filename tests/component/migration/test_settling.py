"""A person settles what a rollback left over: over HTTP against the sandbox."""

from types import SimpleNamespace

import pytest

from codat_hub.codat.adapters.api_key import GivenKey
from codat_hub.codat.adapters.client import CodatClient
from codat_hub.codat.adapters.transport import Transport
from codat_hub.errors import Absent, Conflict
from codat_hub.products.domain.product import ProductKind
from codat_hub.reconcile.domain.drift import DriftKind
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
from tools.simulation.reconciling import KEY, Hub


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


def reconciled(world):
    """Reconcile the world's hub; return the drift about each company's product."""
    client = CodatClient(Transport(world.http, GivenKey(KEY), base_url="http://localhost"))
    codat = SimpleNamespace(client=client, client_id=client.client_id())
    hub = Hub(codat, world.table, clock=world.now)
    if not hub.registry.read()[0]:
        hub.register(*world.products.values())
    run = hub.run()
    assert run.error is None
    return {(drift.company_id, drift.product): drift for drift in hub.drift(run)}


def test_reconcile_goes_on_listing_a_settled_product_where_it_differs(world, keeps):
    roll_back(world)
    settle(world, keeps, PRODUCT)
    assert world.run.status == "rolled_back"
    custom = {
        company.id
        for company in world.state.companies.values()
        for product in company.products
        if world.products[product].kind is ProductKind.CUSTOM
    }
    assert keeps in custom
    for _ in range(2):
        world.pass_time(3600)
        found = reconciled(world)
        assert found[None, None].kind is DriftKind.BOTH_SYNC_SETTINGS
        assert found[None, None].detail.startswith(f"{len(custom)} companies have custom products")
        assert (keeps, PRODUCT) not in found, "the hub has taken it over"
    world.consent(keeps, PRODUCT, revoked=True)
    for _ in range(2):
        assert reconciled(world)[keeps, PRODUCT].kind is DriftKind.PRODUCT_WITHOUT_CONSENT
    world.state.companies[keeps].products.remove(PRODUCT)
    for _ in range(2):
        assert reconciled(world)[keeps, PRODUCT].kind is DriftKind.ASSIGNMENT_GONE


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
