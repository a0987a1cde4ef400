from dataclasses import replace

import pytest

from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.errors import Absent, Conflict
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationRequest, MigrationStatus
from codat_hub.migration.steps.left_over import (
    Attempts,
    client_not_restored,
    kept,
    not_back,
    not_deleted,
    not_restored,
    settled,
    shown_settled,
)
from codat_hub.migration.steps.settling import ItemToSettle, Settle
from codat_hub.migration.usecases.context import CLIENT, company_entry, product_entry
from tests.support.migration.step_world import HOUR, ID, NOW

PRODUCT, OTHER = "lending", "banking"


@pytest.fixture
def world(world):
    """A rollback that stopped twice."""
    world.change(request=MigrationRequest((PRODUCT, OTHER)))
    world.company("a")
    world.consent("a", OTHER)
    world.now += HOUR
    return world


def leave(world, *items, rounds=2):
    """Leave these items over, in this many rollbacks."""
    for number in range(1, rounds + 1):
        world.change(attempts=number, status=MigrationStatus.ROLLBACK_INCOMPLETE)
        attempts = Attempts.back(world.context, world.undo("a", epoch=2), world.run, "undo")
        for item in items:
            attempts.leave(item, "refused")
    for item in items:
        company_id, product = item.company_id, item.product
        name = product_entry(company_id, product) if product else company_entry(company_id)
        world.ledger.intend(ID, 1, {name: LedgerEntry({})})


def settle(world, product=None, company_id="a"):
    settling = Settle(world.ledger, world.assignments, world.registry, lambda: world.now)
    return settling(world.run, "pat", ItemToSettle(company_id, product), "the company left us")


def decisions(world):
    entries = settled(world.ledger, world.run).values()
    return {entry.before["product"]: shown_settled(entry) for entry in entries}


def test_a_product_that_stays_is_assigned_and_the_rollback_ends(world):
    leave(world, kept("a", PRODUCT))
    run = settle(world, PRODUCT)
    assert (run.status, run.ended_at) == (MigrationStatus.ROLLED_BACK, NOW + HOUR)
    assignment, _ = world.assignments.get("a", PRODUCT)
    assert assignment.status is AssignmentStatus.ASSIGNED
    assert (assignment.changed_by, assignment.changed_at) == ("pat", NOW + HOUR)
    decision = decisions(world)[PRODUCT]
    assert (decision["reason"], decision["by"]) == ("the company left us", "pat")
    assert decision["at"] == (NOW + HOUR).isoformat()
    assert decision["error"] == "refused"


def test_the_last_product_settles_the_settings_that_are_off_for_it(world):
    leave(world, kept("a", PRODUCT), kept("a", OTHER), not_restored("a"))
    assert settle(world, PRODUCT).status is MigrationStatus.ROLLBACK_INCOMPLETE
    assert set(decisions(world)) == {PRODUCT}
    assert settle(world, OTHER).status is MigrationStatus.ROLLED_BACK
    assert set(decisions(world)) == {PRODUCT, OTHER, None}
    assert world.entry(company_entry("a")).undone == "settled"
    assert {item["reason"] for item in decisions(world).values()} == {"the company left us"}
    assert {item["by"] for item in decisions(world).values()} == {"pat"}


@pytest.mark.parametrize(
    ("entry", "item"),
    [
        ("OLD_CONSUMER#x", not_back("x")),
        ("NEW_CONSUMER#x", not_deleted("x")),
        (CLIENT, client_not_restored()),
    ],
)
def test_what_belongs_to_the_client_is_settled_where_it_was_changed(world, entry, item):
    for number in (1, 2):
        world.change(attempts=number, status=MigrationStatus.ROLLBACK_INCOMPLETE)
        attempts = Attempts.back(world.context, world.undo(epoch=2), world.run, "undo")
        attempts.leave(item, "refused")
    world.ledger.intend(ID, 1, {entry: LedgerEntry({})})
    settling = Settle(world.ledger, world.assignments, world.registry, lambda: world.now)
    run = settling(world.run, "pat", ItemToSettle(None, consumer=item.consumer), "it is as it is")
    assert run.status is MigrationStatus.ROLLED_BACK
    assert world.entry(entry).undone == "settled"


def test_settings_wait_for_the_products(world):
    leave(world, kept("a", PRODUCT), not_restored("a"))
    with pytest.raises(Conflict, match="while it keeps lending: settle the products"):
        settle(world)
    assert decisions(world) == {}


def test_settings_alone_need_no_consent(world):
    leave(world, not_restored("a"))
    world.consent("a", revoked=True)
    assert settle(world).status is MigrationStatus.ROLLED_BACK
    assignments = world.assignments.of_company("a")
    assert {assignment.product for assignment in assignments} == {PRODUCT, OTHER}
    assert {assignment.status for assignment in assignments} == {AssignmentStatus.ABSENT}


@pytest.mark.parametrize("case", ["revoked", "unregistered"])
def test_a_product_without_consent_must_go(world, case):
    leave(world, kept("a", PRODUCT))
    if case == "revoked":
        world.consent("a", revoked=True)
    else:
        del world.registry.known[PRODUCT]
    with pytest.raises(Conflict, match="a keeps lending without a consent that covers it"):
        settle(world, PRODUCT)


def test_an_item_is_tried_twice_before_a_person_may_settle_it(world):
    leave(world, kept("a", PRODUCT), rounds=1)
    with pytest.raises(Conflict, match=f"first run tools/hub migrations rollback {ID}"):
        settle(world, PRODUCT)


@pytest.mark.parametrize(("company_id", "product"), [("a", OTHER), ("a", None), ("b", PRODUCT)])
def test_what_is_not_left_cannot_be_settled(world, company_id, product):
    leave(world, kept("a", PRODUCT))
    with pytest.raises(Absent, match=f"no such item of {company_id}"):
        settle(world, product, company_id)


def test_only_an_incomplete_rollback_has_something_to_settle(world):
    leave(world, kept("a", PRODUCT))
    world.change(status=MigrationStatus.ROLLING_BACK)
    with pytest.raises(Conflict, match="is rolling_back: only what an incomplete rollback left"):
        settle(world, PRODUCT)


def test_a_rerun_that_began_meanwhile_goes_on(world):
    leave(world, kept("a", PRODUCT))
    change = world.ledger.change

    def rerun(migration_id, what):
        change(migration_id, lambda run: replace(run, status=MigrationStatus.ROLLING_BACK))
        return change(migration_id, what)

    world.ledger.change = rerun
    assert settle(world, PRODUCT).status is MigrationStatus.ROLLING_BACK
