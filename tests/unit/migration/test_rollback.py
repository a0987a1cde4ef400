import json
from unittest import mock

import pytest

from codat_hub.codat.errors import WrongClient
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.consumers import Consumer
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity, MigrationStatus, Pause, Undo, WaitingFor
from codat_hub.migration.steps import activity_1_client_sync
from codat_hub.migration.steps.left_over import left
from codat_hub.migration.usecases import outages, rollback
from codat_hub.migration.usecases.context import StepResult
from tests.support.migration.fakes import settings
from tests.support.migration.step_world import ID, NOW

ERROR = {"Error": "Permanent", "Cause": json.dumps({"errorMessage": "refused", "trace": []})}


@pytest.fixture
def world(world):
    world.save_client()
    chunk = {"name": "snapshot-000000", "members": []}
    world.manifests.put(f"{ID}/snapshot.json", [chunk])
    return world


def begin(world, **state):
    return rollback.begin(world.context, world.command(state={"entry": "start", **state}))


class TestBegin:
    @pytest.mark.parametrize("reached", list(Activity))
    def test_it_enters_the_undo_of_the_last_activity_that_began(self, world, reached):
        world.change(reached=reached, status=MigrationStatus.RUNNING)
        begun = begin(world, error=ERROR)
        expected = {
            Activity.DISABLE_CLIENT_SYNC: "reenable_client_sync",
            Activity.WAIT_FOR_QUIET: "reenable_client_sync",
            Activity.DISABLE_OLD_WEBHOOKS: "resubscribe_old_webhooks",
            Activity.CONFIGURE_NEW_WEBHOOKS: "unsubscribe_new_webhooks",
            Activity.ADD_PRODUCTS: "remove_products",
        }
        assert begun == StepResult(
            expected[reached],
            wait_seconds=30,
            manifest=f"{ID}/undo.json",
            listing="undo",
            epoch=2,
            cause="Permanent: refused",
        )
        assert (world.run.status, world.run.error) == ("rolling_back", "Permanent: refused")

    def test_a_run_that_changed_nothing_has_nothing_to_undo(self, world):
        begun = begin(world, error=ERROR)
        assert begun == StepResult("nothing", epoch=2, cause="Permanent: refused")
        assert rollback.nothing_to_undo(world.context, world.command()).cause == begun.cause
        assert (world.run.status, world.run.ended_at) == ("failed", NOW)

    def test_without_an_error_there_is_no_cause(self, world):
        assert rollback.nothing_to_undo(world.context, world.command()).cause == ""
        assert rollback.finish(world.context, world.command()).cause == ""

    def test_what_the_run_waited_for_before_is_over(self, world):
        outages.say(world.context, world.command(), "add_products#a", "Codat, since noon")
        assert outages.waits_for(world.ledger, world.run)
        begin(world)
        assert outages.waits_for(world.ledger, world.run) is None

    def test_every_rollback_has_a_new_epoch_and_keeps_the_first_cause(self, world):
        world.change(reached=Activity.ADD_PRODUCTS)
        begin(world, error=ERROR)
        again = begin(world, error={"Error": "Lambda.Unknown", "Cause": "exit"})
        assert (again.epoch, again.cause) == (3, "Permanent: refused")

    @pytest.mark.parametrize(
        ("status", "error"),
        [(MigrationStatus.RUNNING, "an earlier one"), (MigrationStatus.ROLLING_BACK, None)],
    )
    def test_the_first_rollback_has_the_cause_that_was_caught(self, world, status, error):
        world.change(reached=Activity.ADD_PRODUCTS, status=status, error=error)
        assert begin(world, error=ERROR).cause == "Permanent: refused"
        assert world.run.error == "Permanent: refused"

    @pytest.mark.parametrize(
        ("error", "cause"), [("the first one", "the first one"), (None, "asked for")]
    )
    def test_without_a_caught_error_the_cause_is_that_of_the_run(self, world, error, cause):
        world.change(
            reached=Activity.ADD_PRODUCTS,
            error=error,
            pause=Pause(WaitingFor.APPROVAL, NOW, "token"),
        )
        assert begin(world).cause == cause
        assert (world.run.error, world.run.pause) == (cause, None)


class TestChangedSince:
    @pytest.fixture
    def done(self, world):
        activity_1_client_sync.apply(world.context, world.command())
        world.change(reached=Activity.ADD_PRODUCTS, migrated=True, status=MigrationStatus.COMPLETE)
        return world

    def test_a_complete_run_that_is_as_it_was_left_is_rolled_back(self, done):
        assert begin(done, entry="rollback").next == "remove_products"
        assert not done.run.migrated

    def test_changes_of_others_stop_it_and_nothing_is_changed(self, done):
        done.codat.client = settings(12, 0)
        stopped = begin(done, entry="rollback")
        assert (stopped.next, done.run.status) == ("differs", "complete")
        assert (done.run.ended_at, done.run.error) == (NOW, stopped.cause)
        assert stopped.cause.startswith("changed at Codat since the migration: the client's")
        assert done.ledger.epoch(ID) == 1

    @pytest.mark.parametrize("state", [{"entry": "rollback", "forced": True}, {"entry": "start"}])
    def test_a_forced_rollback_and_one_after_a_failure_do_not_look(self, done, state):
        done.codat.client = settings(12, 0)
        assert begin(done, **state).next == "remove_products"

    def test_a_new_consumer_that_is_gone_is_a_change(self, done):
        url = f"https://user:secret@x.example/?migration={ID}"
        done.ledger.intend(ID, 1, {"NEW_CONSUMER#x": LedgerEntry({"url": url})})
        gone = f"consumer https://x.example/?migration={ID} is gone"
        assert rollback.changed_since(done.context, done.run) == [gone]

    def test_a_twin_at_the_same_address_does_not_stand_in_for_a_new_consumer(self, done):
        url = f"https://x.example/?migration={ID}"
        done.ledger.intend(ID, 1, {"NEW_CONSUMER#x": LedgerEntry({"url": url})})
        facts = {"consumer_id": "made", "url": url}
        done.ledger.note(ID, "NEW_CONSUMER#x", lambda entry: entry.came_to("created", facts))
        done.codat.hooks = [Consumer("twin", url, ("a.b",))]
        assert rollback.changed_since(done.context, done.run) == [f"consumer {url} is gone"]
        done.codat.hooks = [Consumer("made", "https://moved.example", ("a.b",))]
        assert rollback.changed_since(done.context, done.run) == []

    def test_a_consumer_that_the_run_deleted_itself_is_no_change(self, done):
        done.ledger.intend(ID, 1, {"NEW_CONSUMER#x": LedgerEntry({"url": "https://x.example"})})
        done.ledger.note(ID, "NEW_CONSUMER#x", lambda entry: entry.undo("deleted"))
        assert rollback.changed_since(done.context, done.run) == []

    def test_a_subset_compares_with_the_level_that_it_left_alone(self, world):
        world.change(migrated=True, everyone=False)
        assert rollback.changed_since(world.context, world.run) == []
        world.codat.client = settings(0, 0)
        (difference,) = rollback.changed_since(world.context, world.run)
        assert difference.startswith("the client's settings, t0: ")


class TestUndo:
    def test_the_client_is_checked_and_the_undo_recorded_before_it_acts(self, world):
        acted = []

        def act(context, command):
            acted.append((world.run.step, world.run.status, world.checks))
            return StepResult()

        step = rollback.noting(Undo.REENABLE_CLIENT_SYNC, act)
        assert step(world.context, world.undo()).next == "done"
        assert acted == [("reenable_client_sync", "rolling_back", 1)]

    def test_an_undo_on_chunks_is_recorded_before_its_map(self, world):
        step = rollback.note_step(Undo.REMOVE_PRODUCTS)
        assert step(world.context, world.undo()) == StepResult()
        assert (world.run.step, world.run.status) == ("remove_products", "rolling_back")

    def test_with_the_key_of_another_client_it_does_not_act(self, world):
        world.wrong_client = WrongClient("another client")
        with pytest.raises(WrongClient):
            rollback.note_step(Undo.REMOVE_PRODUCTS)(world.context, world.undo())


class TestRestoreTheClient:
    @pytest.fixture
    def off(self, world):
        activity_1_client_sync.apply(world.context, world.command())
        return world

    def restore(self, world):
        rollback.restore_client(world.context, world.undo(epoch=world.ledger.epoch(ID)))

    def test_a_change_of_others_is_overwritten_and_noted(self, off):
        off.codat.client = settings(12, 0)
        self.restore(off)
        assert off.codat.client == settings(24, 0)
        (note,) = off.run.notes
        assert note.startswith("a change made since is overwritten: the client's settings, t0: ")

    @pytest.mark.parametrize("now", [settings(0, 0), settings(24, 0)])
    def test_settings_as_the_run_left_them_or_restored_by_others_are_no_change(self, off, now):
        off.codat.client = now
        self.restore(off)
        assert off.codat.client == settings(24, 0)
        assert off.run.notes == ()

    def test_settings_that_the_run_did_not_change_are_not_looked_at(self, world):
        world.codat.client_settings = mock.Mock(side_effect=AssertionError)
        self.restore(world)
        assert world.run.notes == ()


class TestEnd:
    def test_it_waits_while_a_delivery_with_a_new_secret_may_be_on_its_way(self, world):
        world.change(status=MigrationStatus.ROLLING_BACK)
        facts = {"consumer_id": "x", "hub_consumer": "lending", "deleted_at": NOW.isoformat()}
        world.ledger.note(ID, "NEW_CONSUMER#x", lambda entry: entry.undo("deleted", facts))
        world.ledger.note(ID, "SECRET#x", lambda entry: entry.came_to("stored", ["print"]))
        waits = rollback.finish(world.context, world.undo())
        assert (waits.next, waits.wait_seconds) == ("again", 60)
        assert world.run.status == "rolling_back"

    def test_what_is_left_stops_it(self, world):
        world.change(status=MigrationStatus.ROLLING_BACK)
        world.ledger.intend(ID, 1, {"PRODUCT#a#lending": LedgerEntry({"had": False})})
        with pytest.raises(StepFailed, match="not everything was undone: keeps lending"):
            rollback.finish(world.context, world.undo())
        rollback.incomplete(world.context, world.undo(state={"undo_error": ERROR}))
        (item,) = left(world.ledger, world.run).values()
        assert item.detail["error"] == "Permanent: refused"
        assert world.run.status == "rollback_incomplete"

    def test_without_a_cause_an_undo_failed(self, world):
        world.change(error=None, status=MigrationStatus.ROLLING_BACK)
        assert rollback.incomplete(world.context, world.undo()) == StepResult()
        assert world.run.error == "; then an undo failed"

    @pytest.mark.parametrize(("on_demand", "answer"), [(True, "done"), (False, "failed")])
    def test_it_tells_a_failure_from_a_rollback_on_demand(self, world, on_demand, answer):
        world.change(on_demand=on_demand, error="why", status=MigrationStatus.ROLLING_BACK)
        ended = rollback.finish(world.context, world.undo())
        assert (ended.next, ended.cause) == (answer, "why")
        assert (world.run.status, world.run.ended_at) == ("rolled_back", NOW)

    def test_a_repeat_keeps_the_time_of_the_end(self, world):
        rollback.finish(world.context, world.undo())
        world.now = NOW.replace(hour=23)
        rollback.finish(world.context, world.undo())
        assert world.run.ended_at == NOW

    def test_an_undo_that_failed_keeps_the_first_cause_and_the_last(self, world):
        world.change(error="first", status=MigrationStatus.ROLLING_BACK)
        for cause in ("second", "third"):
            state = {"undo_error": {"Error": "E", "Cause": cause}}
            rollback.incomplete(world.context, world.undo(state=state))
        assert world.run.error == "first; then E: third"
        assert world.run.status == "rollback_incomplete"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({}, ""),
        ({"error": None}, ""),
        ({"error": ERROR}, "Permanent: refused"),
        ({"error": {"Error": "States.Timeout", "Cause": ""}}, "States.Timeout: "),
        ({"error": {"Error": "E"}}, "E: "),
        ({"error": {"Error": "E", "Cause": "not JSON"}}, "E: not JSON"),
        ({"error": {"Error": "E", "Cause": "[1]"}}, "E: [1]"),
        ({"error": {"Error": "E", "Cause": '{"other": 1}'}}, 'E: {"other": 1}'),
        ({"error": {"Error": "E", "Cause": "x" * 2000}}, f"E: {'x' * 997}"),
    ],
)
def test_a_caught_error_is_one_line(state, text):
    assert rollback.caught(state) == text


class TestOnDemand:
    @pytest.fixture(autouse=True)
    def migrated(self, world):
        world.change(reached=Activity.ADD_PRODUCTS, migrated=True, chunks={"undo": 1})
        read = Tally(1, finished=True).leave_open("a: no read of lending yet")
        world.ledger.put_tally(ID, "verify_reads", "undo-snapshot-000000", read)

    def test_differences_keep_the_list_of_missing_reads(self, world):
        world.codat.client = settings(12, 0)
        assert begin(world, entry="rollback").next == "differs"
        assert world.run.notes == ("first reads: 0 came, 1 did not; a: no read of lending yet",)

    def test_a_run_that_had_ended_before_gets_no_other_note(self, world):
        world.change(ended_at=NOW)
        world.codat.client = settings(12, 0)
        begin(world, entry="rollback")
        assert world.run.notes == ()

    def test_a_look_that_fails_for_good_leaves_the_run_complete(self, world):
        world.codat.client_settings = mock.Mock(side_effect=StepFailed("given up"))
        assert begin(world, entry="rollback").next == "differs"
        assert (world.run.status, world.ledger.epoch(ID)) == ("complete", 1)
        assert "the rollback has not begun" in world.run.error
