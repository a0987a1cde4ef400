"""The migration's drill notices a run that breaks a rule: each rule, by a break put into it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.migration.adapters.codat_calls import MigrationCalls
from codat_hub.migration.steps import activity_1_client_sync, activity_5_products
from codat_hub.migration.usecases import outages
from codat_hub.migration.usecases.lock import MigrationLock
from tools.drills.migration import drill, rules
from tools.drills.migration.kinds import KINDS
from tools.drills.migration.rows import (
    AWS,
    Call,
    Direction,
    Lasting,
    Row,
    Scope,
    all_rows,
    drawn,
    template,
)
from tools.drills.migration.rules import Rule, Told

ADD = Call(Direction.FORWARD, "add_products", "PUT", "/companies/{company}/products/{product}")
NOTHING = Told("", None)
UNDO = Call(Direction.BACK, "disable_client_sync", "POST", "/profile/syncSettings")


def row(call=ADD, kind="429-seconds", lasting=Lasting.ONCE, scope=Scope.ALL, **more):
    return Row(call, KINDS[kind], lasting, scope, "api", **more)


def broken(outcome):
    return {breach.rule for breach in outcome.breaches}


@pytest.mark.parametrize("call", [ADD, UNDO])
def test_a_run_that_bears_its_fault_breaks_nothing(call):
    outcome = drill.run_row(row(call, again=True))
    assert outcome.struck
    assert outcome.breaches == ()
    assert outcome.ends == (("complete", "rolled_back") if call is ADD else ("rolled_back",))


def test_the_same_row_ends_the_same_way():
    one = row(kind="cut-before", lasting=Lasting.OUTAGE, seed=7)
    first, second = drill.run_row(one), drill.run_row(one)
    assert (first.ends, first.struck, first.hours) == (second.ends, second.struck, second.hours)


@pytest.mark.parametrize(
    ("kind", "step", "direction"),
    [
        ("table-away", "snapshot", Direction.FORWARD),
        ("lambda-away", "judge_products", Direction.FORWARD),
        ("lambda-dies", "add_products", Direction.FORWARD),
        ("lambda-dies", "add_products", Direction.BACK),
    ],
)
def test_a_failure_of_aws_is_borne_too(kind, step, direction):
    call = Call(direction, step, AWS, KINDS[kind].aws)
    outcome = drill.run_row(row(call, kind, scope=Scope.CLIENT))
    assert outcome.struck == 1
    assert outcome.breaches == ()


def test_a_map_reads_its_manifest_through_aws():
    call = Call(Direction.FORWARD, "plan", AWS, "reader")
    assert drill.run_row(row(call, "reader-fails", scope=Scope.CLIENT)).struck == 1


def test_a_person_whose_command_codat_does_not_answer_tries_again():
    call = Call(Direction.FORWARD, "wait_for_person", "GET", "/webhooks")
    outcome = drill.run_row(replace(row(call, "503", Lasting.OUTAGE, Scope.CLIENT), mode="portal"))
    assert outcome.struck
    assert outcome.breaches == ()


class TestABreakIsNoticed:
    def test_a_wait_that_nobody_can_see(self, monkeypatch):
        monkeypatch.setattr(outages, "waits_for", lambda *_: None)
        assert Rule.SAID in broken(drill.run_row(row(kind="503")))

    def test_products_that_are_not_added(self, monkeypatch):
        monkeypatch.setattr(MigrationCalls, "add_product", lambda *_: None)
        assert {Rule.TOLD, Rule.READS} <= broken(drill.run_row(row()))

    def test_products_that_are_added_twice(self, monkeypatch):
        real = MigrationCalls.add_product

        def twice(self, *pair):
            real(self, *pair)
            real(self, *pair)

        monkeypatch.setattr(MigrationCalls, "add_product", twice)
        assert Rule.ONCE in broken(drill.run_row(row()))

    def test_consumers_that_are_made_twice(self, monkeypatch):
        real = MigrationCalls.create_consumer

        def twice(self, url, types, tags, key, **more):
            real(self, url, types, tags, f"{key}-2", **more)
            return real(self, url, types, tags, key, **more)

        monkeypatch.setattr(MigrationCalls, "create_consumer", twice)
        assert Rule.ONCE in broken(drill.run_row(row()))

    def test_schedules_that_are_not_switched_off(self, monkeypatch):
        monkeypatch.setattr(MigrationCalls, "set_client_settings", lambda *_: None)
        monkeypatch.setattr(activity_1_client_sync, "_require_posted", lambda *_: None)
        assert Rule.READS in broken(drill.run_row(row()))

    def test_settings_that_are_not_restored(self, monkeypatch):
        real = MigrationCalls.set_client_settings

        def only_off(self, settings, key):
            if all(one["syncSchedule"] <= 0 for one in settings["settings"]):
                real(self, settings, key)

        monkeypatch.setattr(MigrationCalls, "set_client_settings", only_off)
        monkeypatch.setattr(activity_1_client_sync, "_require_posted", lambda *_: None)
        assert Rule.RESTORED in broken(drill.run_row(row()))

    def test_an_undo_that_never_ends_well(self, monkeypatch):
        monkeypatch.setattr(activity_5_products, "_remove", lambda *_: 1 / 0)
        assert Rule.RERUN in broken(drill.run_row(row()))

    def test_a_lock_that_is_left(self, monkeypatch):
        monkeypatch.setattr(MigrationLock, "active", lambda self: self.ledger.newest()[0])
        assert Rule.FREE in broken(drill.run_row(row()))

    def test_a_refusal_may_undo(self):
        call = Call(Direction.FORWARD, "plan", "GET", "/companies")
        outcome = drill.run_row(row(call, "400", scope=Scope.CLIENT))
        assert outcome.ends == ("failed",)
        assert broken(outcome) == set()


class TestRulesOfTheEnd:
    def breaches(self, one, status, *, left=(), told=NOTHING, waited=timedelta(0)):
        found = rules.of_the_end(one, status, told, list(left), waited)
        return {breach.rule for breach in found}

    @pytest.mark.parametrize("lasting", [Lasting.ONCE, Lasting.OUTAGE])
    @pytest.mark.parametrize("kind", ["401", "429", "503", "cut-after", "timeout-before"])
    def test_what_passes_within_the_hour_undoes_nothing(self, kind, lasting):
        assert self.breaches(row(kind=kind, lasting=lasting), "rolled_back") == {Rule.BORNE}
        assert self.breaches(row(kind=kind, lasting=lasting), "complete") == set()
        assert self.breaches(row(UNDO, kind, lasting), "rolled_back") == set()
        assert self.breaches(row(UNDO, kind, lasting), "rollback_incomplete") == {Rule.BORNE}

    def test_what_lasts_is_borne_for_an_hour_and_a_key_for_20(self):
        hours = timedelta(hours=2)
        ever = Lasting.EVER
        assert self.breaches(row(kind="503", lasting=ever), "failed") == {Rule.BORNE}
        assert self.breaches(row(kind="503", lasting=ever), "failed", waited=hours) == set()
        assert self.breaches(row(kind="401", lasting=ever), "failed", waited=hours) == {Rule.BORNE}

    def test_one_refused_company_is_within_the_tolerance(self):
        refused = row(kind="402", scope=Scope.ONE, company="a", tolerated=1)
        assert self.breaches(refused, "rolled_back") == {Rule.TOLERATED}
        assert self.breaches(row(kind="402", scope=Scope.ONE, company="a"), "rolled_back") == set()

    def test_what_is_left_is_named(self):
        refused = row(UNDO, "400")
        told = Told("company a: refused", None)
        left = ["products a", "settings b"]
        incomplete = "rollback_incomplete"
        assert self.breaches(refused, incomplete, left=left, told=told) == {Rule.NAMED}
        assert self.breaches(refused, incomplete, left=left[:1], told=told) == set()

    def test_with_a_list_only_the_list_counts_and_it_names_nothing_else(self):
        told = Told.by({"error": "a", "left": [{"company_id": "b", "product": "p", "what": ""}]})
        incomplete = "rollback_incomplete"
        refused = row(UNDO, "400")
        assert self.breaches(refused, incomplete, left=["products a"], told=told) == {Rule.NAMED}
        assert self.breaches(refused, incomplete, left=["products b"], told=told) == set()

    def test_one_refused_company_leaves_only_itself(self):
        refused = row(UNDO, "402", scope=Scope.ONE, company="a")
        told = Told("a b client", None)
        left = ["products a", "client settings"]
        incomplete = "rollback_incomplete"
        assert self.breaches(refused, incomplete, left=left, told=told) == {Rule.NEIGHBOURS}

    def test_a_run_ends(self):
        assert self.breaches(row(kind="400"), "running") == {Rule.ENDS}


@pytest.fixture(scope="module")
def rows():
    return all_rows(drill.seen(), seed=1)


class TestRows:
    def test_every_kind_of_fault_meets_calls_in_both_directions(self, rows):
        met = {(one.kind.name, one.call.direction) for one in rows}
        assert met == {(kind, direction) for kind in KINDS for direction in Direction}

    def test_each_row_has_a_name_of_its_own(self, rows):
        assert len({one.name for one in rows}) == len(rows) > 2000

    def test_the_seed_draws_and_repeats(self, rows):
        assert drawn(rows, 30, 1) == drawn(rows, 30, 1) != drawn(rows, 30, 2)
        assert len(drawn(rows, 30, 1)) == 30
        assert drawn(rows, 0, 1) == rows

    def test_drawn_rows_meet_each_call_with_each_kind_before_any_twice(self, rows):
        pairs = {(one.call, one.kind.name) for one in rows}
        assert {(one.call, one.kind.name) for one in drawn(rows, len(pairs), 3)} == pairs


def test_a_path_is_known_without_its_ids():
    assert template("/companies/1/products/lending") == "/companies/{company}/products/{product}"
    assert template("/companies/1/products/codat-hub-probe").endswith("/products/{probe}")
    assert template("/webhooks/1") == "/webhooks/{consumer}"
