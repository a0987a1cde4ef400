"""Starts of rollbacks: two at the same moment, and those that a later run forbids."""

from dataclasses import replace

import pytest

from codat_hub.errors import Conflict, Superseded, Unavailable
from codat_hub.migration.domain.run import Activity, MigrationStatus, Pause, WaitingFor
from codat_hub.migration.usecases.starting import TOO_LATE
from codat_hub.migration.usecases.starting_rollback import StartRollback
from tests.support.migration.races import REQUEST, active, meanwhile, rollbacks
from tests.support.migration.world import OPERATOR, OTHER, in_the_middle


class TestTwoRollbacks:
    @pytest.mark.parametrize("status", ["running", "complete"])
    @pytest.mark.parametrize(("port", "call"), [("ledger", "change"), ("executions", "start")])
    def test_one_of_them_is_refused_wherever_the_other_comes_in(self, world, port, call, status):
        before, outcomes, queued = world.codat_now(), [], []

        def roll_back():
            try:
                outcomes.append(world.migrations.rollback(world.migration_id, OPERATOR))
            except Conflict as refusal:
                outcomes.append(refusal)

        def both():
            meanwhile(getattr(world, port), call, roll_back)
            roll_back()
            queued.extend(rollbacks(world))

        if status == "running":
            in_the_middle(world, "begin_quiet", both)
            world.migrate()
        else:
            world.migrate()
            both()
            world.go()
        (refusal,) = (outcome for outcome in outcomes if isinstance(outcome, Conflict))
        assert f"migration {world.migration_id} is rolling back already: " in str(refusal)
        assert world.run.on_demand
        assert len(queued) == 1
        assert world.run.status == "rolled_back"
        assert world.codat_now() == before

    def test_the_watch_starts_no_rollback_while_one_is_being_started(self, world):
        world.migrate()
        meanwhile(world.executions, "start", world.watch.look)
        world.migrations.rollback(world.migration_id, OPERATOR)
        assert len(rollbacks(world)) == 1
        assert world.go().status == "rolled_back"

    def test_a_rollback_that_dies_before_its_start_still_stops_the_way_forward(self, world):
        before = world.codat_now()

        def die(*_):
            raise Unavailable("died")

        def roll_back():
            inner, world.executions.runs = world.executions.runs, die
            with pytest.raises(Unavailable):
                world.migrations.rollback(world.migration_id, OPERATOR)
            world.executions.runs = inner

        in_the_middle(world, "begin_quiet", roll_back)
        world.migrate()
        assert "ConfigureNewWebhooks" not in world.visited
        world.pass_time(3600)
        world.watch.look()
        assert world.go().status == "rolled_back"
        assert world.codat_now() == before

    @pytest.mark.parametrize("step", ["judge_products", "complete"])
    def test_a_run_is_not_complete_while_it_rolls_back(self, world, step):
        before = world.codat_now()

        def roll_back():
            world.migrations.rollback(world.migration_id, OPERATOR)
            if step == "judge_products":
                world.codat.delete_consumer(world.codat.consumers()[-1].consumer_id)

        in_the_middle(world, step, roll_back)
        world.start()
        world.walk(*world.executions.queue.pop(0))
        assert world.run.status == "rolling_back"
        assert world.go().status == "rolled_back"
        assert world.codat_now() == before

    def test_a_repeated_rollback_stops_every_execution_before_it(self, world):
        in_the_middle(
            world, "begin_quiet", lambda: world.migrations.rollback(world.migration_id, OPERATOR)
        )
        world.start()
        world.walk(*world.executions.queue.pop(0))
        first = world.run.execution
        world.executions.queue.clear()
        world.executions.status[first] = "ABORTED"
        world.executions.status[world.migration_id] = "RUNNING"  # its stop was lost
        world.watch.ended(first)
        assert not world.executions.runs(world.migration_id)
        assert world.go().status == "rolled_back"


class TestLaunch:
    @pytest.fixture
    def begun(self, world):
        world.start()
        world.ledger.change(world.migration_id, lambda run: run.began(Activity.ADD_PRODUCTS))
        return world

    def started(self, world, number, *, forced):
        name, state = world.executions.queue[-1]
        assert name == f"{world.migration_id}-rollback-{number}"
        assert state == {
            "contract": 1,
            "entry": "rollback",
            "migration_id": world.migration_id,
            "epoch": 0,
            "forced": forced,
        }

    def test_an_automatic_one_was_asked_for_by_nobody(self, begun):
        now = begun.now()
        start = StartRollback(begun.ledger, begun.executions, begun.lock, lambda: now)
        run = start.automatic(begun.run, "its execution died")
        assert run == begun.run
        assert (run.on_demand, run.error, run.attempts) == (False, "its execution died", 1)
        assert (run.status, run.execution_at) == ("rolling_back", now)
        self.started(begun, 1, forced=False)

    @pytest.mark.parametrize("forced", [True, False])
    def test_one_on_demand_names_who_asked_for_it(self, begun, forced):
        run = begun.migrations.rollback(begun.migration_id, OTHER, forced=forced)
        assert (run.on_demand, run.error) == (True, f"asked for by {OTHER}")
        assert begun.executions.status[begun.migration_id] == "ABORTED"
        self.started(begun, 1, forced=forced)

    def test_one_that_asks_about_kept_products_can_be_repeated(self, begun):
        begun.migrations.rollback(begun.migration_id, OTHER)
        pause = Pause(WaitingFor.PRODUCTS_KEPT, begun.now(), "token")
        begun.ledger.change(begun.migration_id, lambda run: replace(run, pause=pause))
        run = begun.migrations.rollback(begun.migration_id, OPERATOR)
        assert (run.attempts, run.pause, run.error) == (2, None, f"asked for by {OTHER}")
        assert begun.executions.status[f"{begun.migration_id}-rollback-1"] == "ABORTED"
        self.started(begun, 2, forced=False)

    def test_the_cause_of_a_run_that_has_not_rolled_back_is_no_cause_of_this(self, begun):
        begun.ledger.change(begun.migration_id, lambda run: replace(run, error="differs"))
        run = begun.migrations.rollback(begun.migration_id, OTHER)
        assert run.error == f"asked for by {OTHER}"

    @pytest.mark.parametrize("status", [MigrationStatus.FAILED, MigrationStatus.ROLLED_BACK])
    def test_a_run_that_ends_at_this_moment_is_refused(self, begun, status):
        def end():
            begun.ledger.change(begun.migration_id, lambda run: replace(run, status=status))

        meanwhile(begun.ledger, "change", end)
        with pytest.raises(Conflict, match=f"is {status.value}: nothing to roll back"):
            begun.migrations.rollback(begun.migration_id, OPERATOR)
        assert (begun.run.status, begun.run.attempts) == (status, 0)

    def test_a_run_that_begins_to_roll_back_at_this_moment_is_refused(self, begun):
        def roll_back():
            begun.ledger.change(
                begun.migration_id, lambda run: replace(run, status=MigrationStatus.ROLLING_BACK)
            )

        meanwhile(begun.ledger, "change", roll_back)
        with pytest.raises(Conflict, match="is rolling back already"):
            begun.migrations.rollback(begun.migration_id, OPERATOR)

    def test_a_refused_rollback_keeps_the_number_of_its_execution(self, world):
        run = world.migrate()
        meanwhile(world.ledger, "change", lambda: world.migrations.start(REQUEST, OTHER))
        with pytest.raises(Conflict, match=TOO_LATE):
            world.migrations.rollback(run.migration_id, OPERATOR)
        after = world.ledger.get(run.migration_id)
        assert after == replace(run, attempts=1)

    @pytest.mark.parametrize("status", ["planned", "rolled_back", "failed"])
    def test_a_run_with_nothing_to_undo_is_refused(self, begun, status):
        begun.ledger.change(
            begun.migration_id, lambda run: replace(run, status=MigrationStatus(status))
        )
        with pytest.raises(Conflict, match=f"{begun.migration_id} is {status}: nothing to roll"):
            begun.migrations.rollback(begun.migration_id, OPERATOR)

    def test_another_active_migration_is_to_end_first(self, begun):
        first = begun.run
        begun.ledger.change(
            first.migration_id, lambda run: replace(run, status=MigrationStatus.COMPLETE)
        )
        second = begun.start()
        text = f"{second} is planning: run tools/hub migrations watch {second} until it ends"
        with pytest.raises(Conflict, match=text):
            begun.migrations.rollback(first.migration_id, OPERATOR)

    def test_a_dry_run_is_ended_beside_another_migration(self, world):
        dry = world.start(dry_run=True)
        world.executions.status[dry] = "RUNNING"
        latest = world.ledger.latest()
        world.migrations.rollback(dry, OPERATOR)
        assert world.ledger.latest() == latest
        self.started(world, 1, forced=False)


def test_a_step_forward_is_refused_from_the_moment_a_rollback_is_asked_for(world):
    world.start()
    world.ledger.change(
        world.migration_id, lambda run: replace(run, status=MigrationStatus.ROLLING_BACK)
    )
    with pytest.raises(Superseded):
        world.ledger.change(world.migration_id, lambda run: run.forward("snapshot"))


class TestRollbackOfAnOlderRun:
    @pytest.fixture
    def two(self, worlds):
        world = worlds(companies=8)
        first = world.migrate(company_ids=tuple(world.companies[:3])).migration_id
        second = world.migrate(company_ids=tuple(world.companies[3:])).migration_id
        return world, first, second

    @pytest.mark.parametrize("forced", [False, True])
    def test_a_rollback_is_refused_while_a_later_run_builds_on_it(self, two, forced):
        world, first, second = two
        after = world.codat_now()
        with pytest.raises(Conflict, match=f"{second} came later and builds on it"):
            world.migrations.rollback(first, OPERATOR, forced=forced)
        assert not world.executions.queue
        assert (world.codat_now(), world.ledger.get(first).status) == (after, "complete")

    def test_rollbacks_from_the_last_run_to_the_first_are_allowed(self, worlds):
        world = worlds(companies=8)
        before = world.codat_now()
        runs = [
            world.migrate(company_ids=ids).migration_id
            for ids in (tuple(world.companies[:3]), tuple(world.companies[3:]))
        ]
        for run in reversed(runs):
            world.migrations.rollback(run, OPERATOR)
            world.go()
            assert world.ledger.get(run).status == "rolled_back"
        assert world.codat_now() == before

    def test_dry_runs_since_do_not_hide_the_later_run(self, two):
        world, first, second = two
        for _ in range(101):
            world.migrations.start(replace(world.request, dry_run=True), OTHER)
            world.pass_time(1)
        with pytest.raises(Conflict, match=f"{second} came later"):
            world.migrations.rollback(first, OPERATOR, forced=True)

    def test_a_start_at_the_same_moment_is_refused_or_refuses_it(self, world):
        run = world.migrate()
        outcomes = []

        def start():
            try:
                outcomes.append(world.migrations.start(REQUEST, OTHER))
            except Conflict as refusal:
                outcomes.append(refusal)

        for call in ("change", "take"):
            meanwhile(world.ledger, call, start)
        try:
            outcomes.append(world.migrations.rollback(run.migration_id, OPERATOR))
        except Conflict as refusal:
            outcomes.append(refusal)
        assert len(active(world)) == 1
        assert TOO_LATE in map(str, outcomes)
        if active(world)[0] != world.run.execution:
            assert world.run.status == "complete"
