"""Starts of migrations: two at the same moment, starts that fail, and repeated requests."""

from dataclasses import replace

import pytest

from codat_hub.errors import Conflict, Invalid, NotStarted, RequestReused, Unavailable
from codat_hub.migration.domain.run import MigrationRequest, MigrationStatus, Mode
from tests.support.migration.races import REQUEST, active, meanwhile
from tests.support.migration.world import OPERATOR, OTHER, PRODUCTS, in_the_middle


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
        (refusal,) = (str(outcome) for outcome in outcomes if isinstance(outcome, Conflict))
        assert "another migration was started" in refusal or "only one runs at a time" in refusal
        assert len(active(world)) == 1
        assert world.lock.active().migration_id == active(world)[0]

    def test_the_watch_leaves_a_run_alone_whose_execution_is_just_being_started(self, world):
        meanwhile(world.executions, "start", world.watch.look)
        assert world.migrate().status == "complete"
        assert world.run.error is None

    def test_a_run_that_was_ended_as_dead_does_nothing_if_it_wakes_up(self, world):
        before = world.codat_now()
        meanwhile(world.executions, "start", lambda: (world.pass_time(3600), world.watch.look()))
        run = world.migrate()
        assert run.status == "failed"
        assert world.codat_now() == before


class TestAStartThatFails:
    """`refuse`: Step Functions refuses; `lose`: it starts the execution, and its answer is lost."""

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
    def test_the_run_fails_at_once_and_the_next_one_starts(self, world, monkeypatch, dry_run):
        def refuse(name, state):
            raise Unavailable("throttled")

        with monkeypatch.context() as patched:
            patched.setattr(world.executions, "start", refuse)
            with pytest.raises(NotStarted):
                world.migrations.start(MigrationRequest(PRODUCTS, dry_run=dry_run), OPERATOR)
        (failed,) = world.ledger.newest()
        assert (failed.status, failed.error) == ("failed", "throttled")
        assert failed.ended_at is not None
        assert world.migrate().status == "complete"

    def test_a_repeat_of_the_same_request_starts_it(self, world, refuse):
        for _ in range(2):
            with pytest.raises(NotStarted):
                refuse()
        run = world.migrations.start(REQUEST, OPERATOR, "k")
        world.migration_id = run.migration_id
        assert [run.status for run in world.ledger.newest()].count("failed") == 2
        assert world.go().status == "complete"

    def test_a_start_whose_answer_was_lost_is_no_failure(self, world, lose):
        lose()
        assert len(active(world)) == 1
        world.migration_id = active(world)[0]
        assert world.go().status == "complete"

    def test_an_execution_that_begins_later_changes_nothing(self, world, lose, monkeypatch):
        before = world.codat_now()
        with monkeypatch.context() as patched:
            # AWS may not find an execution that was started just now (DescribeExecution).
            patched.setattr(world.executions, "has_begun", lambda _name: False)
            with pytest.raises(NotStarted):
                lose()
        (run,) = world.ledger.newest()
        assert run.status == "failed"
        world.migration_id = run.migration_id
        assert world.go().status == "failed"
        assert world.codat_now() == before

    def test_the_run_fails_even_if_step_functions_does_not_answer_at_all(
        self, world, refuse, monkeypatch
    ):
        def down(_name):
            raise Unavailable("down")

        with monkeypatch.context() as patched:
            patched.setattr(world.executions, "has_begun", down)
            with pytest.raises(NotStarted):
                refuse()
        assert world.ledger.newest()[0].status == "failed"

    def test_a_caller_that_dies_before_the_failure_is_written_is_found_by_the_watch(
        self, world, monkeypatch
    ):
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
    def test_a_repeat_goes_on_where_a_caller_died(self, world, monkeypatch, port):
        """The caller dies just before this call."""

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


class TestARequestThatCannotStart:
    def problems(self, world, *products):
        with pytest.raises(Invalid) as refused:
            world.migrations.start(MigrationRequest(products), OPERATOR)
        assert world.ledger.newest() == []
        return [(fault.field, fault.value, fault.allowed) for fault in refused.value.problems]

    def test_every_unknown_product_is_named_with_those_that_are_allowed(self, world):
        world.products = {name: world.products[name] for name in PRODUCTS}
        allowed = "one of cashflow-insights, invoice-finance, lending"
        assert self.problems(world, "x", *PRODUCTS, "y") == [
            ("products", "x", allowed),
            ("products", "y", allowed),
        ]
        assert self.problems(world) == [("products", "[]", f"at least {allowed}")]


class TestTheSameRequestTwice:
    def test_a_run_that_failed_after_it_had_begun_is_not_started_again(self, world):
        run = world.migrations.start(REQUEST, OPERATOR, "k")
        world.ledger.change(
            run.migration_id, lambda run: replace(run, status=MigrationStatus.FAILED)
        )
        assert world.migrations.start(REQUEST, OPERATOR, "k").migration_id == run.migration_id
        assert len(world.executions.status) == 1

    def test_the_same_request_is_one_run_whenever_it_comes(self, world):
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
    def test_the_same_request_is_one_run_at_the_same_moment_too(self, world, port, call):
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

    def test_another_body_or_another_person_is_not_the_same_request(self, world):
        first = world.migrations.start(replace(REQUEST, dry_run=True), OPERATOR, "k")
        with pytest.raises(RequestReused, match=first.migration_id):
            world.migrations.start(REQUEST, OPERATOR, "k")
        second = world.migrations.start(REQUEST, OTHER, "k")
        dry = world.migrations.start(replace(REQUEST, dry_run=True), OPERATOR, "another key")
        assert len({first.migration_id, second.migration_id, dry.migration_id}) == 3

    def test_a_request_whose_run_was_rolled_back_is_not_started_again(self, world):
        run = world.migrations.start(REQUEST, OPERATOR, "k")
        world.migration_id = run.migration_id
        in_the_middle(
            world, "begin_quiet", lambda: world.migrations.rollback(run.migration_id, OPERATOR)
        )
        assert world.go().status == "rolled_back"
        other = world.start()
        assert world.migrations.start(REQUEST, OPERATOR, "k").status == "rolled_back"
        assert active(world) == [other]
