"""The hub accepts a signing secret as long as a delivery may be signed with it."""

import copy
from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.errors import Unavailable
from tests.support.migration.world import OPERATOR, SECRET, in_the_middle

OLDER, OTHER_ONE = f"{SECRET[:-4]}AAAA", f"{SECRET[:-4]}BBBB"
BEFORE = {"invoice-finance": [OLDER], "lending": [OTHER_ONE]}


@pytest.fixture
def accepted(world):
    world.secrets.accepted = copy.deepcopy(BEFORE)
    return world.secrets.accepted


def roll_back(world):
    world.migrations.rollback(world.migration_id, OPERATOR)
    return world.go()


def in_use(accepted):
    return {name: secrets for name, secrets in accepted.items() if secrets}


@pytest.mark.parametrize("mode", ["api", "portal"])
def test_a_rollback_withdraws_what_the_run_brought_and_nothing_else(world, accepted, mode):
    assert world.migrate(mode=mode).status == "complete"
    assert accepted["invoice-finance"] == [SECRET, OLDER]
    assert len(accepted) > len(BEFORE)
    assert roll_back(world).status == "rolled_back"
    assert in_use(accepted) == BEFORE


def test_a_rollback_after_a_failure_withdraws_them_too(world, accepted):
    def fail():
        world.migrations.rollback(world.migration_id, OPERATOR)

    in_the_middle(world, "begin_products", fail)
    assert world.migrate().status == "rolled_back"
    assert in_use(accepted) == BEFORE


def test_a_delivery_on_its_way_when_its_consumer_is_deleted_is_still_accepted(world, accepted):
    world.migrate()
    deleted, withdrawn = [], []
    inner, withdraw = world.codat.delete_consumer, world.secrets.withdraw

    def delete(consumer_id):
        deleted.append(world.now())
        return inner(consumer_id)

    def note(consumer, fingerprints):
        withdrawn.append(world.now())
        withdraw(consumer, fingerprints)

    world.codat.delete_consumer, world.secrets.withdraw = delete, note
    assert roll_back(world).status == "rolled_back"
    assert min(withdrawn) - max(deleted) >= timedelta(minutes=1)


def test_a_secret_that_was_accepted_before_the_run_stays(world, accepted):
    accepted["invoice-finance"] = [SECRET]
    world.migrate()
    roll_back(world)
    assert in_use(accepted) == {**BEFORE, "invoice-finance": [SECRET]}


def test_a_wrong_secret_that_was_confirmed_first_is_withdrawn_too(world, accepted):
    def operator(waiting_for):
        if waiting_for == "signing_secret":
            entries = world.ledger.under(world.migration_id, "NEW_CONSUMER#").values()
            (one,) = (e.detail for e in entries if e.detail["hub_consumer"] == "invoice-finance")
            world.migrations.confirm_secret(world.migration_id, one["consumer_id"], OTHER_ONE)
        world.willing(waiting_for)

    world.operator = operator
    assert world.migrate().status == "complete"
    assert accepted["invoice-finance"] == [SECRET, OTHER_ONE, OLDER]
    roll_back(world)
    assert in_use(accepted) == BEFORE


def test_a_consumer_that_a_rollback_does_not_find_keeps_its_secret(world, accepted):
    """A person removed the mark from its URL in the Portal: it still posts to the hub."""
    world.migrate()
    (kept,) = (
        consumer
        for consumer in world.sandbox.office.state.consumers.values()
        if "/invoice-finance?migration=" in consumer.url
    )
    kept.url = kept.url.partition("?")[0]
    world.migrations.rollback(world.migration_id, OPERATOR, forced=True)
    assert world.go().status == "rolled_back"
    assert kept.id in world.sandbox.office.state.consumers
    fates = [
        consumer["undone"]
        for consumer in world.migrations.report(world.migration_id)["new_consumers"]
    ]
    assert fates.count("left: its URL is another one now") == 1
    assert set(fates) == {"deleted", "left: its URL is another one now"}
    assert in_use(accepted) == {**BEFORE, "invoice-finance": [SECRET, OLDER]}


def test_a_store_that_does_not_answer_is_asked_again_and_a_rerun_finishes(world, accepted):
    world.migrate()
    withdraw, world.secrets.withdraw = world.secrets.withdraw, refuse
    assert roll_back(world).status == "rollback_incomplete"
    world.secrets.withdraw = withdraw
    assert roll_back(world).status == "rolled_back"
    assert in_use(accepted) == BEFORE


def test_each_secret_is_withdrawn_once_even_if_the_answer_was_lost(world, accepted):
    world.migrate()
    withdrawn, withdraw = [], world.secrets.withdraw

    def note(consumer, fingerprints):
        withdrawn.append(consumer)
        withdraw(consumer, fingerprints)

    def twice(call, payload):
        answer = call(payload)
        return call(payload) if payload["step"] == "finish" else answer

    world.secrets.withdraw, world.around = note, twice
    assert roll_back(world).status == "rolled_back"
    assert len(withdrawn) == len(set(withdrawn)) > 1


def refuse(*_):
    raise Unavailable("down")


def test_all_secrets_stay_of_a_run_whose_ledger_has_no_fingerprints(world, accepted):
    world.migrate()
    for name in world.ledger.under(world.migration_id, "SECRET#"):
        world.ledger.note(world.migration_id, name, lambda entry: replace(entry, detail=None))
    there = copy.deepcopy(accepted)
    assert roll_back(world).status == "rolled_back"
    assert accepted == there


def test_a_complete_migration_withdraws_no_secret(world, accepted):
    world.migrate()
    assert all(set(BEFORE[name]) <= set(accepted[name]) for name in BEFORE)


def test_the_ledger_has_fingerprints_and_no_secret(world, accepted):
    world.migrate()
    roll_back(world)
    everything = str(world.table.__dict__)
    assert "SECRET#" in everything
    assert "whsec_" not in everything
