from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.errors import Superseded
from codat_hub.migration.domain.run import (
    ACCEPTED_CONTRACTS,
    Activity,
    FirstLink,
    MigrationRequest,
    MigrationRun,
    MigrationStatus,
    Mode,
    Pause,
    Stragglers,
    Undo,
    WaitingFor,
    execution_name,
    is_active,
    migration_of,
    undo_of,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RUN = MigrationRun("m-1", MigrationRequest(("lending",)), NOW, "olive", "m-1")


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (
            MigrationStatus,
            (
                "planning planned waiting running complete rolling_back rolled_back "
                "rollback_incomplete failed"
            ),
        ),
        (
            WaitingFor,
            "approval webhooks_disabled signing_secret webhooks_restored products_kept",
        ),
        (Mode, "portal api"),
        (FirstLink, "keep off"),
        (Stragglers, "go_on ask"),
        (
            Activity,
            (
                "disable_client_sync wait_for_quiet disable_old_webhooks configure_new_webhooks "
                "add_products"
            ),
        ),
        (
            Undo,
            (
                "remove_products unsubscribe_new_webhooks resubscribe_old_webhooks "
                "reenable_client_sync nothing"
            ),
        ),
    ],
)
def test_these_are_words_of_ledgers_executions_and_answers_that_exist(words, stored):
    assert " ".join(words) == stored


def test_which_statuses_are_an_end_and_which_a_rollback():
    def are(name):
        return {status.value for status in MigrationStatus if getattr(status, name)}

    assert are("final") == {"planned", "complete", "rolled_back", "failed"}
    assert are("undoing") == {"rolling_back", "rolled_back", "rollback_incomplete"}
    assert are("given_up") == {*are("undoing"), "failed"}


class TestUndo:
    def test_each_activity_is_undone_from_its_own_undo_on(self):
        assert [undo_of(activity) for activity in (None, *Activity)] == [
            Undo.NOTHING,
            Undo.REENABLE_CLIENT_SYNC,
            Undo.REENABLE_CLIENT_SYNC,
            Undo.RESUBSCRIBE_OLD_WEBHOOKS,
            Undo.UNSUBSCRIBE_NEW_WEBHOOKS,
            Undo.REMOVE_PRODUCTS,
        ]

    @given(st.lists(st.sampled_from(list(Activity))))
    def test_the_last_activity_that_began_is_never_forgotten(self, activities):
        run = RUN
        for activity in activities:
            run = run.began(activity)
        order = list(Activity)
        assert run.reached == max(activities, key=order.index, default=None)


class TestLock:
    @pytest.mark.parametrize("status", [s for s in MigrationStatus if s.final])
    @pytest.mark.parametrize("runs", [True, False])
    def test_a_run_that_is_over_holds_nothing(self, status, runs):
        assert not is_active(replace(RUN, status=status, reached=Activity.ADD_PRODUCTS), runs)

    def test_a_dry_run_holds_nothing(self):
        assert not is_active(replace(RUN, request=MigrationRequest(("a",), dry_run=True)), True)

    def test_a_run_whose_execution_died_holds_if_it_has_changed_anything(self):
        assert is_active(RUN, True)
        assert not is_active(RUN, False)
        assert is_active(RUN.began(Activity.DISABLE_CLIENT_SYNC), False)


class TestRequest:
    def test_nothing_is_done_that_was_not_asked_for(self):
        request = MigrationRequest(("a",))
        assert (request.mode, request.dry_run, request.tolerated_failures) == ("portal", False, 0)
        assert (request.fetch_on_first_link, request.stragglers) == ("keep", "go_on")
        assert (RUN.status, RUN.migrated, RUN.everyone) == ("planning", False, True)
        assert (RUN.step, RUN.listing, RUN.attempts) == ("plan", "plan", 0)
        assert (RUN.chunks, RUN.counted, RUN.notes, RUN.on_demand) == ({}, {}, (), False)

    @pytest.mark.parametrize(("tolerated", "kept"), [(0, 5), (5, 5), (6, 6)])
    def test_five_companies_or_as_many_as_may_fail_keep_a_product_unasked(self, tolerated, kept):
        assert MigrationRequest(("a",), tolerated_failures=tolerated).tolerated_kept == kept

    def test_ids_tags_or_everyone(self):
        assert MigrationRequest(("a",)).covers("c", {})
        assert MigrationRequest(("a",), company_ids=("c",)).covers("c", {})
        assert not MigrationRequest(("a",), company_ids=("c",)).covers("d", {})
        tagged = MigrationRequest(("a",), tags={"region": "uk", "tier": "1"})
        assert tagged.covers("c", {"region": "uk", "tier": "1", "x": "y"})
        assert not tagged.covers("c", {"region": "uk"})


@pytest.mark.parametrize("rollback", [0, 1, 12])
def test_an_execution_is_named_for_its_migration(rollback):
    assert migration_of(execution_name("m-20261122-101500-ab12cd", rollback)) == (
        "m-20261122-101500-ab12cd"
    )


def test_the_inputs_of_this_version_are_accepted():
    assert ACCEPTED_CONTRACTS == (1,)


def test_only_a_rollbacks_name_says_so():
    assert (execution_name("m-1"), execution_name("m-1", 2)) == ("m-1", "m-1-rollback-2")


class TestSteps:
    @pytest.mark.parametrize("status", [s for s in MigrationStatus if s.given_up])
    def test_no_step_forward_begins_once_a_run_rolls_back_or_failed(self, status):
        with pytest.raises(Superseded, match=f"is {status.value}"):
            replace(RUN, status=status).began(Activity.WAIT_FOR_QUIET)

    @pytest.mark.parametrize("status", [s for s in MigrationStatus if not s.given_up])
    def test_a_step_forward_ends_a_wait(self, status):
        pause = Pause(WaitingFor.APPROVAL, NOW, "token")
        run = replace(RUN, status=status, pause=pause).forward("snapshot")
        assert (run.status, run.step, run.pause) == ("running", "snapshot", None)

    def test_a_note_is_not_repeated(self):
        assert RUN.noting("a", "b").noting("a", "c").notes == ("a", "b", "c")

    def test_an_end_keeps_the_error_unless_there_is_another(self):
        failed = replace(RUN, error="first")
        assert failed.ended(MigrationStatus.FAILED, NOW).error == "first"
        pause = Pause(WaitingFor.APPROVAL, NOW, "token")
        ended = replace(failed, pause=pause).ended(MigrationStatus.FAILED, NOW, "last")
        assert (ended.error, ended.status, ended.ended_at) == ("last", "failed", NOW)
        assert (ended.step, ended.pause) == ("end", None)

    def test_an_empty_listing_of_late_companies_is_left_out(self):
        run = replace(RUN, chunks={"snapshot": 1, "late-1": 2, "late-2": 0})
        assert run.late_listings == ["late-1"]

    def test_the_token_of_a_wait_is_in_no_log(self):
        assert "token-1" not in repr(Pause(WaitingFor.APPROVAL, NOW, "token-1"))
