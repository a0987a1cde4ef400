from dataclasses import replace

import pytest

from codat_hub.codat.errors import Permanent, TryLater, WrongClient
from codat_hub.errors import StepFailed, Superseded
from codat_hub.migration.domain.consumers import Consumer
from codat_hub.migration.domain.run import Activity, MigrationStatus, Mode
from codat_hub.migration.steps import activity_3_old_webhooks as activity_3
from codat_hub.migration.steps.left_over import PATIENCE, left
from tests.support.migration.step_world import HOUR, HUB_URL, NOW, StepWorld

OLD = Consumer("1", "https://old.example/1", ("read.completed", "company.created"))
OTHER = Consumer("2", "https://old.example/2", ("DataSyncCompleted",), ("region:uk",))
KEPT = Consumer("3", "https://old.example/3", ("company.created",))


@pytest.fixture(params=[Mode.PORTAL, Mode.API])
def any_mode(request):
    return a_world(request.param)


@pytest.fixture
def portal():
    return a_world(Mode.PORTAL)


@pytest.fixture
def api():
    return a_world(Mode.API)


def a_world(mode):
    world = StepWorld(mode=mode)
    world.save_client(OLD, OTHER, KEPT)
    return world


def apply(world):
    return activity_3.apply(world.context, world.command()).next


def undo(world, epoch=None):
    epoch = epoch or world.ledger.raise_epoch(world.run.migration_id)
    return activity_3.compensate(world.context, world.undo(epoch=epoch)).next


def set_disabled(world, *numbers, disabled=True):
    world.codat.hooks = [
        replace(hook, disabled=disabled) if hook.consumer_id in numbers else hook
        for hook in world.codat.hooks
    ]


def ids(consumers):
    return [consumer.consumer_id for consumer in consumers]


def still_on(world):
    return ids(activity_3.still_on(world.ledger, world.run.migration_id))


def left_of(world):
    """Return the consumers that the undo left over."""
    run = replace(world.run, status=MigrationStatus.ROLLING_BACK)
    return [entry.before["consumer"] for entry in left(world.ledger, run).values()]


class TestBothModes:
    def test_nothing_is_changed_with_the_key_of_another_client(self, any_mode):
        any_mode.wrong_client = WrongClient("another client")
        with pytest.raises(WrongClient):
            apply(any_mode)
        assert (any_mode.codat.changes, any_mode.run.reached) == ([], None)

    def test_the_intent_and_the_start_of_the_gap_come_before_the_change(self, any_mode):
        any_mode.codat.failing["delete_consumer"] = Permanent("refused")
        if any_mode.run.request.mode is Mode.API:
            with pytest.raises(Permanent):
                apply(any_mode)
        else:
            apply(any_mode)
        assert any_mode.run.gap_from == NOW
        assert any_mode.run.reached is Activity.DISABLE_OLD_WEBHOOKS
        assert all(any_mode.entry(f"OLD_CONSUMER#{number}").ours for number in "12")
        assert not any_mode.entry("OLD_CONSUMER#3").ours

    def test_while_companies_are_left_behind_nothing_is_switched_off(self, any_mode):
        any_mode.change(everyone=False)
        assert apply(any_mode) == "done"
        assert (any_mode.codat.changes, any_mode.run.gap_from) == ([], None)

    def test_an_undo_of_something_never_done_calls_nothing(self, any_mode):
        assert undo(any_mode) == "done"
        assert any_mode.codat.changes == []


class TestPortal:
    def test_it_asks_until_a_person_has_disabled_every_old_consumer(self, portal):
        assert apply(portal) == "ask"
        assert still_on(portal) == ["1", "2"]
        set_disabled(portal, "1")
        portal.now = NOW + HOUR
        assert apply(portal) == "ask"
        assert still_on(portal) == ["2"]
        set_disabled(portal, "2")
        assert apply(portal) == "done"
        assert still_on(portal) == []
        assert (portal.codat.changes, portal.run.gap_from) == ([], NOW)

    def test_a_consumer_that_is_enabled_again_is_asked_for_again(self, portal):
        set_disabled(portal, "1", "2")
        assert apply(portal) == "done"
        set_disabled(portal, "1", disabled=False)
        assert apply(portal) == "ask"
        assert still_on(portal) == ["1"]

    def test_the_undo_asks_until_a_person_has_enabled_them(self, portal):
        set_disabled(portal, "1", "2")
        apply(portal)
        set_disabled(portal, "1", disabled=False)
        assert undo(portal) == "ask"
        assert ids(activity_3.to_restore(portal.ledger, portal.run.migration_id)) == ["2"]
        set_disabled(portal, "2", disabled=False)
        assert undo(portal) == "done"
        assert portal.entry("OLD_CONSUMER#2").undone == "enabled"
        assert (portal.codat.changes, portal.run.notes) == ([], ())


class TestApi:
    def test_every_old_consumer_is_deleted_and_no_other(self, api):
        assert apply(api) == "done"
        assert ids(api.codat.hooks) == ["3"]
        assert api.entry("OLD_CONSUMER#1").outcome == "off"
        assert apply(api) == "done"
        assert len(api.codat.changes) == 2

    @pytest.mark.parametrize("change", [{"event_types": ("read.completed",)}, {"tags": ("a:b",)}])
    def test_a_consumer_that_changed_since_the_snapshot_is_not_deleted(self, api, change):
        api.codat.hooks[0] = replace(OLD, **change)
        with pytest.raises(StepFailed, match="consumer 1 was changed since the snapshot"):
            apply(api)
        assert api.codat.changes == []

    @pytest.mark.parametrize("gone", [True, False])
    def test_a_404_on_deletion_counts_only_if_the_list_says_so(self, api, gone):
        inner = api.codat.delete_consumer

        def not_found(consumer_id):
            if consumer_id == "1" and not gone:
                return False
            inner(consumer_id)
            return consumer_id != "1"

        api.codat.delete_consumer = not_found
        assert apply(api) == ("done" if gone else "ask")
        assert still_on(api) == ([] if gone else ["1"])
        start = "old consumer 1 (https://old.example/1) was still on after Codat answered 404"
        assert [note.startswith(start) for note in api.run.notes] == ([] if gone else [True])

    def test_what_a_person_disabled_meanwhile_is_not_deleted(self, api):
        set_disabled(api, "1")
        assert apply(api) == "done"
        assert ids(api.codat.hooks) == ["1", "3"]
        assert still_on(api) == []

    def test_none_is_deleted_once_a_rollback_has_begun(self, api):
        apply_intents(api)
        api.ledger.raise_epoch(api.run.migration_id)
        with pytest.raises(Superseded):
            apply(api)
        assert api.codat.changes == []

    def test_the_undo_creates_them_again_and_says_what_is_lost(self, api):
        apply(api)
        assert undo(api) == "done"
        assert [hook.url for hook in api.codat.hooks[1:]] == [OLD.url, OTHER.url]
        assert all(
            new.same_as(old) for new, old in zip(api.codat.hooks[1:], (OLD, OTHER), strict=True)
        )
        assert len(api.run.notes) == 2
        assert "consumer 1 (https://old.example/1) was made again as new-" in api.run.notes[0]
        seen = len(api.codat.changes)
        assert undo(api) == "done"
        assert len(api.codat.changes) == seen

    def test_a_consumer_that_an_earlier_undo_created_is_taken_over(self, api):
        apply(api)
        api.codat.hooks.append(replace(OLD, consumer_id="lost-answer"))
        undo(api)
        assert [hook.url for hook in api.codat.hooks].count(OLD.url) == 1
        assert api.entry("OLD_CONSUMER#1").detail == "lost-answer"

    def test_two_that_are_the_same_are_both_created_again(self):
        world = StepWorld(mode=Mode.API)
        world.save_client(OLD, replace(OLD, consumer_id="twin"))
        apply(world)
        undo(world)
        assert [hook.url for hook in world.codat.hooks] == [OLD.url] * 2
        details = {world.entry(f"OLD_CONSUMER#{number}").detail for number in ("1", "twin")}
        assert details == set(ids(world.codat.hooks))

    def test_the_successor_of_a_twin_is_not_taken_for_the_others(self):
        world = StepWorld(mode=Mode.API)
        world.save_client(OLD, replace(OLD, consumer_id="twin"))
        apply(world)
        inner, made = world.codat.create_consumer, []

        def create_once(*args):
            if made:
                raise Permanent("refused")
            made.append(inner(*args))
            return made[0]

        world.codat.create_consumer = create_once
        assert undo(world) == "done"
        assert left_of(world) == ["twin"]
        world.codat.create_consumer = inner
        world.change(attempts=1)
        undo(world)
        assert left_of(world) == []
        assert [hook.url for hook in world.codat.hooks] == [OLD.url] * 2

    def test_an_outage_is_borne_for_an_hour_and_then_costs_this_consumer(self, api):
        apply(api)
        api.codat.failing["create_consumer"] = TryLater("down", status=503)
        for _ in range(4):
            assert undo(api) == "again"
        api.now += PATIENCE
        assert undo(api) == "done"
        assert left_of(api) == ["1", "2"]

    def test_one_that_posts_to_the_hub_needs_its_new_secret_there(self):
        world = StepWorld(mode=Mode.API)
        world.save_client(replace(OLD, url=f"{HUB_URL}/platform"))
        apply(world)
        undo(world)
        assert "tools/hub secrets add platform" in world.run.notes[0]

    def test_an_undo_that_was_overtaken_creates_none(self, api):
        apply(api)
        api.ledger.raise_epoch(api.run.migration_id)
        api.ledger.raise_epoch(api.run.migration_id)
        with pytest.raises(Superseded):
            undo(api, epoch=2)
        assert ids(api.codat.hooks) == ["3"]


def apply_intents(world):
    """Take the step as far as its intents, which are there when the rollback begins."""
    world.codat.failing["delete_consumer"] = Permanent("no answer")
    with pytest.raises(Permanent):
        apply(world)
    world.codat.failing.clear()
