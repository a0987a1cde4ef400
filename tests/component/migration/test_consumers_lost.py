"""Consumers that a migration relies on: each has its successor, and none is lost unnoticed."""

import httpx
import pytest

from tests.support.migration.world import HUB_URL, OLD_URL, OPERATOR, in_the_middle

OTHER_TYPES = ("read.completed", "company.created")


def two_old_consumers(world):
    """Give the client a second old consumer at the URL of the first, for other events."""
    for event_types, tags in ((OTHER_TYPES, ()), (OTHER_TYPES, ("region:uk",))):
        world.codat.create_consumer(OLD_URL, event_types, tags, f"key-{len(tags)}")


def successors(world):
    mark = f"{OLD_URL}?migration="
    return sorted(
        consumer.tags
        for consumer in world.codat.consumers()
        if mark in consumer.url and consumer.event_types == OTHER_TYPES[1:]
    )


def enabled(world, text):
    return [
        consumer
        for consumer in world.codat.consumers()
        if text in consumer.url and not consumer.disabled
    ]


def refuse(world, method, path, status, times, after=0):
    """Answer requests with a status; `after`: so many of them pass before."""
    inner, seen = world.transport.handle_request, []

    def handle_request(request):
        if request.method == method and request.url.path.startswith(path):
            seen.append(request)
            if after < len(seen) <= after + times:
                return httpx.Response(status, json={"error": "drawn"}, request=request)
        return inner(request)

    world.transport.handle_request = handle_request


@pytest.mark.parametrize(("number", "status"), [*((n, 429) for n in range(6)), (4, 503), (5, 503)])
def test_two_old_consumers_with_one_url_have_one_successor_each(world, number, status):
    two_old_consumers(world)
    before = world.codat_now()
    world.start()

    def operator(waiting_for):
        world.willing(waiting_for)
        if waiting_for == "approval":
            refuse(world, "POST", "/webhooks", status, 1, after=number)

    world.operator = operator
    assert world.go().status == "complete"
    assert successors(world) == [(), ("region:uk",)]
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert world.codat_now() == before


def test_two_old_consumers_that_are_equal_have_two_successors(world):
    for number in range(2):
        world.codat.create_consumer(OLD_URL, OTHER_TYPES, (), f"key-{number}")
    refuse(world, "POST", "/webhooks", 429, 1, after=4)
    assert world.migrate().status == "complete"
    assert successors(world) == [(), ()]


def test_a_new_consumer_deleted_while_secrets_are_awaited_is_made_again(world):
    lost = []

    def operator(waiting_for):
        if waiting_for == "signing_secret" and not lost:
            lost.append(enabled(world, f"{HUB_URL}/invoice-finance")[0].consumer_id)
            world.codat.delete_consumer(lost[0])
        world.willing(waiting_for)

    world.operator = operator
    run = world.migrate()
    assert run.status == "complete"
    (again,) = enabled(world, f"{HUB_URL}/invoice-finance")
    assert again.consumer_id != lost[0]
    assert world.pauses.count("signing_secret") == 2
    assert any(lost[0] in note for note in run.notes)


@pytest.mark.parametrize("disabled", [True, False])
def test_a_kept_consumer_lost_after_the_snapshot_is_replaced(world, disabled):
    kept = world.codat.create_consumer(
        f"{HUB_URL}/invoice-finance", ("invoice-finance.read.completed",), (), "k"
    )

    def lose():
        if disabled:
            world.portal_call(f"/webhooks/{kept.consumer_id}/disable", {})
        else:
            world.codat.delete_consumer(kept.consumer_id)

    in_the_middle(world, "configure_new_webhooks", lose)
    run = world.migrate()
    assert run.status == "complete"
    assert len(enabled(world, f"{HUB_URL}/invoice-finance")) == 1
    assert any("invoice-finance.read.completed" in note for note in run.notes)


@pytest.mark.parametrize("which", ["successor", "product"])
def test_a_consumer_lost_while_products_are_added_is_made_again_and_named(world, which):
    two_old_consumers(world)
    text = f"{OLD_URL}?" if which == "successor" else f"{HUB_URL}/invoice-finance"
    lost = []

    def around(call, payload):
        if payload["step"] == "judge_products" and not lost:
            lost.append(enabled(world, text)[0].consumer_id)
            world.codat.delete_consumer(lost[0])
        return call(payload)

    world.around = around
    run = world.migrate()
    assert run.status == "complete"
    assert len(enabled(world, text)) == (3 if which == "successor" else 1)
    assert any(lost[0] in note for note in run.notes)
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert not enabled(world, "migration=")


def test_an_old_consumer_that_codat_does_not_delete_is_asked_for(world):
    """A DELETE that answers 404 leaves the consumer on."""
    refuse(world, "DELETE", "/webhooks", 404, 10**6)
    run = world.migrate()
    assert run.status == "complete"
    assert "webhooks_disabled" in world.pauses
    assert not [found for found in enabled(world, OLD_URL) if "migration=" not in found.url]


def test_an_undo_is_incomplete_while_a_consumer_of_the_run_is_there(world):
    before = world.codat_now()
    world.migrate()
    refuse(world, "DELETE", "/webhooks", 404, 1)
    world.migrations.rollback(world.migration_id, OPERATOR)
    run = world.go()
    assert run.status == "rollback_incomplete"
    assert "migration=" in run.error
    world.migrations.rollback(world.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert world.codat_now() == before
