"""Two people, or a person and the watch, at the same moment; and who dies between two writes."""

from dataclasses import replace

import pytest

from codat_hub.errors import Conflict, NotStarted, RequestReused, Superseded, Unavailable
from codat_hub.migration.domain.run import Mode, Request, Status
from tests.support.migration.world import OPERATOR, OTHER, PRODUCTS, in_the_middle

REQUEST = Request(PRODUCTS)


def meanwhile(port, name, act):
    """Do something just before a port is called for the first time."""
    inner, done = getattr(port, name), []

    def call(*args, **kwargs):
        if not done:
            done.append(name)
            act()
        return inner(*args, **kwargs)

    setattr(port, name, call)


def active(world):
    """Which migrations have an execution that goes forward."""
    return [name for name, _ in world.executions.queue if world.executions.runs(name)]


def rollbacks(world):
    return [name for name, _ in world.executions.queue if "-rollback-" in name]


class TestTwoStarts:
    @pytest.mark.parametrize(
        ("port", "call"), [("ledger", "create"), ("ledger", "take"), ("executions", "start")]
    )
    def test_one_of_them_is_refused_wherever_the_other_comes_in(self, world, port, call):
        outcomes = []

        def another():
            try:
                outcomes.append(world.migrations.start(REQUEST, OTHER))
            except Conflict as refusal:
                outcomes.append(refusal)

        meanwhile(getattr(world, port), call, another)
        try:
            outcomes.append(world.migrations.start(REQUEST, OPERATOR))
        except Conflict as refusal:
            outcomes.append(refusal)
        assert sum(isinstance(one, Conflict) for one in outcomes) == 1
        assert len(active(world)) == 1
        assert world.lock.active().migration_id == active(world)[0]

    def test_the_watch_leaves_a_run_alone_whose_execution_is_just_being_started(self, world):
        meanwhile(world.executions, "start", world.watch.look)
        assert world.migrate().status == "complete"
        assert world.run.error is None

    def test_a_run_that_was_called_dead_does_nothing_if_it_wakes_up(self, world):
        before = world.codat_now()
        meanwhile(world.executions, "start", lambda: (world.pass_time(3600), world.watch.look()))
        run = world.migrate()
        assert run.status == "failed"
        assert world.codat_now() == before


class TestAStartThatFails:
    """`refuse`: Step Functions takes nothing; `lose`: it does, and its answer is lost."""

    @pytest.fixture
    def refuse(self, world):
        def start(name, state):
            raise Unavailable("throttled")

        return self.once(world, start)

    @pytest.fixture
    def lose(self, world):
        inner = world.executions.start

        def start(name, state):
            inner(name, state)
            raise Unavailable("timed out")

        return self.once(world, start)

    @staticmethod
    def once(world, start):
        inner = world.executions.start

        def act():
            world.executions.start = start
            try:
                world.migrations.start(REQUEST, OPERATOR, "k")
            finally:
                world.executions.start = inner

        return act

    @pytest.mark.parametrize("dry_run", [False, True])
    def test_is_failed_at_once_and_the_next_one_starts(self, world, monkeypatch, dry_run):
        def refuse(name, state):
            raise Unavailable("throttled")

        with monkeypatch.context() as patched:
            patched.setattr(world.executions, "start", refuse)
            with pytest.raises(NotStarted):
                world.migrations.start(Request(PRODUCTS, dry_run=dry_run), OPERATOR)
        (failed,) = world.ledger.newest()
        assert (failed.status, failed.error) == ("failed", "throttled")
        assert failed.ended_at is not None
        assert world.migrate().status == "complete"

    def test_is_started_by_a_repeat_of_the_same_request(self, world, refuse):
        for _ in range(2):
            with pytest.raises(NotStarted):
                refuse()
        run = world.migrations.start(REQUEST, OPERATOR, "k")
        world.migration_id = run.migration_id
        assert [one.status for one in world.ledger.newest()].count("failed") == 2
        assert world.go().status == "complete"

    def test_but_it_had_begun_and_only_the_answer_was_lost(self, world, lose):
        lose()
        assert len(active(world)) == 1
        world.migration_id = active(world)[0]
        assert world.go().status == "complete"

    def test_but_it_begins_later_and_then_changes_nothing(self, world, lose, monkeypatch):
        before = world.codat_now()
        with monkeypatch.context() as patched:
            # what was started just now need not be found yet (AWS: DescribeExecution)
            patched.setattr(world.executions, "has_begun", lambda _name: False)
            with pytest.raises(NotStarted):
                lose()
        (run,) = world.ledger.newest()
        assert run.status == "failed"
        world.migration_id = run.migration_id
        assert world.go().status == "failed"
        assert world.codat_now() == before

    def test_and_nothing_answers_at_all(self, world, refuse, monkeypatch):
        def down(_name):
            raise Unavailable("down")

        with monkeypatch.context() as patched:
            patched.setattr(world.executions, "has_begun", down)
            with pytest.raises(NotStarted):
                refuse()
        assert world.ledger.newest()[0].status == "failed"

    def test_and_who_dies_before_that_is_written_is_found_by_the_watch(self, world, monkeypatch):
        def die(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(world.executions, "start", die)
            with pytest.raises(KeyboardInterrupt):
                world.migrations.start(REQUEST, OPERATOR, "k")
        assert world.ledger.newest()[0].status == "planning"
        world.pass_time(3600)
        world.watch.look()
        assert world.ledger.newest()[0].status == "failed"
        assert world.migrate().status == "complete"

    @pytest.mark.parametrize("port", ["create", "take", "start"])
    def test_and_a_repeat_goes_on_where_somebody_died(self, world, monkeypatch, port):
        """Just before this call."""

        def die(*_):
            raise KeyboardInterrupt

        where = world.executions if port == "start" else world.ledger
        with monkeypatch.context() as patched:
            patched.setattr(where, port, die)
            with pytest.raises(KeyboardInterrupt):
                world.migrations.start(REQUEST, OPERATOR, "k")
        world.migration_id = world.migrations.start(REQUEST, OPERATOR, "k").migration_id
        assert world.lock.active().migration_id == world.migration_id
        assert len(world.ledger.newest()) == 1
        assert world.go().status == "complete"


class TestTheSameRequestTwice:
    def test_is_one_run_whenever_it_comes(self, world):
        def start():
            return world.migrations.start(replace(REQUEST, mode=Mode.API), OPERATOR, "k")

        run = start()
        world.migration_id = run.migration_id
        in_the_middle(world, "begin_quiet", start)
        assert world.go().status == "complete"
        assert start().migration_id == run.migration_id
        assert len(world.executions.status) == 1

    @pytest.mark.parametrize(
        ("port", "call"),
        [("ledger", "get"), ("ledger", "create"), ("ledger", "take"), ("executions", "start")],
    )
    def test_is_one_run_at_the_same_moment_too(self, world, port, call):
        ids = []

        def start():
            ids.append(world.migrations.start(REQUEST, OPERATOR, "k").migration_id)

        meanwhile(getattr(world, port), call, start)
        start()
        assert len(ids) == 2
        assert len(set(ids)) == 1
        assert active(world) == ids[:1]
        world.migration_id = ids[0]
        assert world.go().status == "complete"

    def test_but_another_body_or_another_person_is_not_the_same_request(self, world):
        first = world.migrations.start(replace(REQUEST, dry_run=True), OPERATOR, "k")
        with pytest.raises(RequestReused, match=first.migration_id):
            world.migrations.start(REQUEST, OPERATOR, "k")
        second = world.migrations.start(REQUEST, OTHER, "k")
        assert second.migration_id != first.migration_id

    def test_that_was_rolled_back_is_not_started_again(self, world):
        run = world.migrations.start(REQUEST, OPERATOR, "k")
        world.migration_id = run.migration_id
        in_the_middle(
            world, "begin_quiet", lambda: world.migrations.rollback(run.migration_id, OPERATOR)
        )
        assert world.go().status == "rolled_back"
        other = world.start()
        assert world.migrations.start(REQUEST, OPERATOR, "k").status == "rolled_back"
        assert active(world) == [other]


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
        assert sum(isinstance(one, Conflict) for one in outcomes) == 1
        assert len(queued) == 1
        assert world.run.status == "rolled_back"
        assert world.codat_now() == before

    def test_the_watch_starts_none_while_one_is_just_being_started(self, world):
        world.migrate()
        meanwhile(world.executions, "start", world.watch.look)
        world.migrations.rollback(world.migration_id, OPERATOR)
        assert len(rollbacks(world)) == 1
        assert world.go().status == "rolled_back"

    def test_whoever_dies_before_the_rollback_is_started_has_stopped_the_way_forward(self, world):
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
    def test_a_run_is_not_called_done_while_it_goes_back(self, world, step):
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

    def test_a_rollback_begun_anew_stops_every_execution_before_it(self, world):
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


def test_a_step_forward_is_refused_from_the_moment_a_rollback_is_asked_for(world):
    world.start()
    world.ledger.change(world.migration_id, lambda one: replace(one, status=Status.ROLLING_BACK))
    with pytest.raises(Superseded):
        world.ledger.change(world.migration_id, lambda one: one.forward("snapshot"))


class TestRollbackOfAnOlderRun:
    @pytest.fixture
    def two(self, worlds):
        world = worlds(companies=8)
        first = world.migrate(company_ids=tuple(world.companies[:3])).migration_id
        second = world.migrate(company_ids=tuple(world.companies[3:])).migration_id
        return world, first, second

    def test_is_refused_while_a_later_one_builds_on_it(self, two):
        world, first, second = two
        with pytest.raises(Conflict, match=f"{second} came later and builds on it"):
            world.migrations.rollback(first, OPERATOR)
        assert not world.executions.queue

    def test_but_not_in_the_reverse_order(self, worlds):
        world = worlds(companies=8)
        before = world.codat_now()
        runs = [
            world.migrate(company_ids=ids).migration_id
            for ids in (tuple(world.companies[:3]), tuple(world.companies[3:]))
        ]
        for one in reversed(runs):
            world.migrations.rollback(one, OPERATOR)
            world.go()
            assert world.ledger.get(one).status == "rolled_back"
        assert world.codat_now() == before

    def test_and_not_if_forced(self, two):
        world, first, _ = two
        world.migrations.rollback(first, OPERATOR, forced=True)
        world.go()
        assert world.ledger.get(first).status == "rolled_back"

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
        assert any(isinstance(one, Conflict) for one in outcomes)
        if active(world)[0] != world.run.execution:
            assert world.run.status == "complete"


class TestApproval:
    def test_of_a_plan_that_is_not_the_newest_any_more_is_refused(self, world):
        def operator(waiting_for):
            if waiting_for == "approval":
                with pytest.raises(Conflict, match="another plan"):
                    world.migrations.approve(world.migration_id, OTHER, "0123")
                world.migrations.approve(world.migration_id, OTHER, world.run.plan_hash)
            else:
                world.willing(waiting_for)

        world.operator = operator
        assert world.migrate().status == "complete"

    def test_twice_at_once_is_one_approval(self, world):
        outcomes = []

        def approve():
            try:
                outcomes.append(world.migrations.approve(world.migration_id, OTHER))
            except Conflict as refusal:
                outcomes.append(refusal)

        def operator(waiting_for):
            if waiting_for == "approval":
                approve()
                approve()
            else:
                world.willing(waiting_for)

        world.operator = operator
        assert world.migrate().status == "complete"
        assert [isinstance(one, Conflict) for one in outcomes] == [False, True]
