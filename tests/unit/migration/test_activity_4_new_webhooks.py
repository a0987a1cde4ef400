from dataclasses import asdict, replace

import pytest

from codat_hub.codat.errors import OutcomeUnknown, Permanent, WrongClient
from codat_hub.errors import Superseded
from codat_hub.migration.domain.consumers import Consumer, Wanted
from codat_hub.migration.domain.run import Activity, MigrationStatus
from codat_hub.migration.steps import activity_4_new_webhooks as activity_4
from codat_hub.migration.steps.left_over import left
from codat_hub.webhooks.fingerprint import fingerprint
from tests.support.migration.step_world import HOUR, HUB_URL, ID, NOW, StepWorld

AT_HUB = Wanted(
    "product-lending",
    f"{HUB_URL}/lending?migration={ID}",
    ("lending.read.completed",),
    (),
    "lending",
)
ELSEWHERE = Wanted("successor-1", f"https://old.example/?migration={ID}", ("company.created",))
SECRET = "secret-1"
OTHERS = Consumer("other", f"{HUB_URL}/lending?migration=m-other", ("lending.read.completed",))


@pytest.fixture
def world():
    world = StepWorld()
    world.change(plan={"wanted": [asdict(AT_HUB), asdict(ELSEWHERE)]}, gap_from=NOW)
    return world


def apply(world):
    return activity_4.apply(world.context, world.command()).next


def undo(world):
    return activity_4.compensate(world.context, world.undo(epoch=2))


def withdraw(world):
    return activity_4.withdraw_secrets(world.context, world.undo(epoch=2))


def created(world):
    return world.entry("NEW_CONSUMER#product-lending").detail["consumer_id"]


def confirm(world, secret=SECRET, *, new=True):
    world.secrets.accept("lending", secret)
    detail = [fingerprint(secret)] if new else []
    name = f"SECRET#{created(world)}"  # as in the ledgers of runs that exist
    world.ledger.note(ID, name, lambda entry: entry.came_to("stored", detail))


def test_it_creates_the_consumers_of_the_plan_and_asks_for_the_hubs_secrets(world):
    assert apply(world) == "ask"
    assert [hook.url for hook in world.codat.hooks] == [AT_HUB.url, ELSEWHERE.url]
    (missing,) = activity_4.without_secret(world.ledger, ID)
    assert (missing["consumer_id"], missing["hub_consumer"]) == (created(world), "lending")
    assert (world.run.gap_to, world.run.reached) == (None, Activity.CONFIGURE_NEW_WEBHOOKS)


def test_the_gap_ends_with_the_last_secret(world):
    apply(world)
    confirm(world)
    world.now = NOW + HOUR
    assert apply(world) == "done"
    assert apply(world) == "done"
    assert world.run.gap_to == NOW + HOUR
    assert len(world.codat.changes) == 2


def test_nothing_is_created_with_the_key_of_another_client(world):
    world.wrong_client = WrongClient("another client")
    with pytest.raises(WrongClient):
        apply(world)
    assert (world.codat.changes, world.run.reached) == ([], None)


def test_a_consumer_that_an_earlier_try_created_is_found_by_its_url(world):
    found = Consumer("lost-answer", AT_HUB.url, AT_HUB.event_types)
    world.codat.hooks = [OTHERS, found]
    apply(world)
    assert created(world) == "lost-answer"
    assert world.codat.changes == [("create_consumer", ELSEWHERE.url)]


@pytest.mark.parametrize(
    "other", [{"event_types": ("x.y",)}, {"tags": ("region:uk",)}, {"disabled": True}]
)
def test_a_consumer_of_another_shape_is_not_taken_for_the_lost_one(world, other):
    found = Consumer("other", AT_HUB.url, AT_HUB.event_types)
    world.codat.hooks = [replace(found, **other)]
    apply(world)
    assert created(world) != "other"


def test_one_consumer_is_not_the_successor_of_two(world):
    twin = replace(ELSEWHERE, name="successor-2")
    world.change(plan={"wanted": [asdict(ELSEWHERE), asdict(twin)]})
    world.codat.hooks = [Consumer("lost-answer", ELSEWHERE.url, ELSEWHERE.event_types)]
    apply(world)
    assert len(world.codat.hooks) == 2
    details = [world.entry(f"NEW_CONSUMER#successor-{n}").detail["consumer_id"] for n in (1, 2)]
    assert details == [hook.consumer_id for hook in world.codat.hooks]


@pytest.mark.parametrize("how", ["deleted", "disabled"])
def test_a_consumer_that_others_take_away_is_made_again_and_noted(world, how):
    apply(world)
    lost = created(world)
    confirm(world)
    if how == "deleted":
        world.codat.delete_consumer(lost)
    else:
        world.codat.hooks[0] = replace(world.codat.hooks[0], disabled=True)
    assert apply(world) == "ask"  # the new one has another secret
    assert created(world) != lost
    assert world.entry("NEW_CONSUMER#product-lending").detail["lost"] == [lost]
    (note,) = world.run.notes
    start = f"consumer {lost} was deleted or disabled by others: {created(world)} ({AT_HUB.url}) "
    assert note.startswith(start)


def test_each_consumer_that_is_made_again_has_a_key_of_its_own(world):
    keys, inner = [], world.codat.create_consumer

    def create(url, event_types, tags, key):
        keys.append(key)
        return inner(url, event_types, tags, key)

    world.codat.create_consumer = create
    apply(world)
    for _ in range(2):
        world.codat.delete_consumer(created(world))
        apply(world)
    assert len(set(keys)) == 4


def test_the_key_of_a_lost_answer_is_not_used_for_what_is_made_again(world):
    keys, inner = [], world.codat.create_consumer

    def create(url, event_types, tags, key):
        made = inner(url, event_types, tags, key)
        if url == AT_HUB.url:
            keys.append(key)
            if len(keys) == 1:
                raise OutcomeUnknown("cut")
        return made

    world.codat.create_consumer = create
    with pytest.raises(OutcomeUnknown):
        apply(world)
    apply(world)
    world.codat.delete_consumer(created(world))
    apply(world)
    assert len(set(keys)) == len(keys) == 2


def test_a_kept_consumer_that_is_lost_since_the_snapshot_is_made_again(world):
    world.save_client(Consumer("kept", f"{HUB_URL}/lending", AT_HUB.event_types))
    world.change(plan={"wanted": []})
    world.codat.hooks = []
    assert apply(world) == "ask"
    assert [hook.url for hook in world.codat.hooks] == [AT_HUB.url]
    (note,) = world.run.notes
    assert note.startswith("the consumer of lending.read.completed was deleted or disabled by")


def test_an_intent_stands_before_the_call(world):
    world.codat.failing["create_consumer"] = Permanent("refused")
    with pytest.raises(Permanent):
        apply(world)
    assert world.entry("NEW_CONSUMER#product-lending").ours


def test_none_is_created_once_a_rollback_has_begun(world):
    world.ledger.raise_epoch(ID)
    with pytest.raises(Superseded):
        apply(world)
    assert world.codat.changes == []


def test_the_undo_deletes_what_carries_the_mark_of_this_run_and_nothing_else(world):
    world.codat.hooks = [OTHERS]
    apply(world)
    world.codat.hooks.append(Consumer("lost", f"https://x.example/?migration={ID}", ("a.b",)))
    undo(world)
    assert world.codat.hooks == [OTHERS]
    assert world.entry("NEW_CONSUMER#product-lending").undone == "deleted"
    seen = len(world.codat.changes)
    undo(world)
    assert len(world.codat.changes) == seen


def test_a_consumer_that_is_not_deleted_costs_itself(world):
    apply(world)
    world.change(status=MigrationStatus.ROLLING_BACK)
    stuck = world.entry("NEW_CONSUMER#product-lending").detail["consumer_id"]
    inner = world.codat.delete_consumer

    def refuse(consumer_id):
        if consumer_id == stuck:
            raise Permanent("refused")
        return inner(consumer_id)

    world.codat.delete_consumer = refuse
    assert undo(world).next == "done"
    assert [hook.consumer_id for hook in world.codat.hooks] == [stuck]
    (item,) = left(world.ledger, world.run).values()
    assert item.before["consumer"] == "product-lending"
    assert world.entry("NEW_CONSUMER#product-lending").ours
    world.codat.delete_consumer = inner
    world.change(attempts=1)
    undo(world)
    assert (world.codat.hooks, left(world.ledger, world.run)) == ([], {})


def test_of_two_successors_with_one_url_the_one_that_stays_is_named(world):
    twin = replace(ELSEWHERE, name="successor-2", event_types=("company.deleted",))
    world.change(plan={"wanted": [asdict(ELSEWHERE), asdict(twin)]})
    apply(world)
    world.change(status=MigrationStatus.ROLLING_BACK)
    stuck = world.entry("NEW_CONSUMER#successor-2").detail["consumer_id"]
    inner = world.codat.delete_consumer

    def refuse(consumer_id):
        if consumer_id == stuck:
            raise Permanent("refused")
        return inner(consumer_id)

    world.codat.delete_consumer = refuse
    undo(world)
    (item,) = left(world.ledger, world.run).values()
    assert item.before["consumer"] == "successor-2"


@pytest.mark.parametrize("gone", [True, False])
def test_a_404_on_deletion_counts_only_if_the_list_says_so(world, gone):
    apply(world)
    inner = world.codat.delete_consumer

    def not_found(consumer_id):
        if gone:
            inner(consumer_id)
        return False

    world.codat.delete_consumer = not_found
    world.change(status=MigrationStatus.ROLLING_BACK)
    undo(world)
    entry, items = world.entry("NEW_CONSUMER#product-lending"), left(world.ledger, world.run)
    if gone:
        assert (entry.undone, items) == ("deleted", {})
    else:
        errors = {item.before["consumer"]: item.detail["error"] for item in items.values()}
        said = f"answered 404: consumer {created(world)} (https"
        assert said in errors["product-lending"]
        assert entry.ours


def test_an_undo_of_something_never_done_calls_nothing(world):
    world.codat.hooks = [Consumer("x", AT_HUB.url, ())]
    undo(world)
    assert world.codat.changes == []


class TestSecrets:
    @pytest.fixture(autouse=True)
    def applied(self, world):
        world.secrets.accepted = {"lending": ["older"]}
        apply(world)

    def test_those_that_the_run_brought_are_withdrawn_a_minute_after_the_deletion(self, world):
        confirm(world)
        undo(world)
        world.now = NOW + HOUR / 60 - HOUR / 3600
        waits = withdraw(world)
        assert (waits.next, waits.wait_seconds) == ("again", 60)
        assert world.secrets.accepted["lending"] == [SECRET, "older"]
        world.now = NOW + HOUR / 60
        assert withdraw(world).next == "done"
        assert world.secrets.accepted["lending"] == ["older"]
        assert world.entry(f"SECRET#{created(world)}").undone == "withdrawn"
        world.secrets.accept("lending", SECRET)
        assert withdraw(world).next == "done"
        assert world.secrets.accepted["lending"] == [SECRET, "older"]

    def test_a_secret_that_was_accepted_before_the_run_stays(self, world):
        confirm(world, "older", new=False)
        undo(world)
        world.now = NOW + HOUR
        withdraw(world)
        assert world.secrets.accepted["lending"] == ["older"]

    def test_a_consumer_that_lost_its_mark_is_left_with_its_secret(self, world):
        confirm(world)
        world.codat.hooks = [replace(hook, url=f"{HUB_URL}/lending") for hook in world.codat.hooks]
        undo(world)
        entry = world.entry("NEW_CONSUMER#product-lending")
        assert entry.undone == "left: its URL is another one now"
        world.now = NOW + HOUR
        assert withdraw(world).next == "done"
        assert world.secrets.accepted["lending"] == [SECRET, "older"]
