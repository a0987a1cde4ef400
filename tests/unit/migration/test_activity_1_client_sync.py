from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.errors import (
    Forbidden,
    NotFound,
    OutcomeUnknown,
    Permanent,
    TryLater,
    WrongClient,
)
from codat_hub.errors import StepFailed, Superseded
from codat_hub.migration.domain.run import Activity, MigrationStatus
from codat_hub.migration.steps import activity_1_client_sync as activity_1
from codat_hub.migration.steps.left_over import PATIENCE, Attempts, kept
from codat_hub.migration.usecases import rollback
from codat_hub.migration.usecases.context import CLIENT, company_entry
from codat_hub.migration.usecases.outages import waits_for
from tests.support.migration.fakes import settings
from tests.support.migration.step_world import HOUR, ID, NOW

BEFORE = settings(24, 0)


class TestTheClient:
    @pytest.fixture(autouse=True)
    def saved(self, world):
        world.save_client()

    def test_is_switched_off_and_read_back(self, world):
        assert activity_1.apply(world.context, world.command()).next == "done"
        assert world.codat.client == settings(0, 0)
        entry = world.entry(CLIENT)
        assert (entry.intended, entry.outcome, entry.before["settings"]) == (1, "off", BEFORE)
        assert world.run.reached is Activity.DISABLE_CLIENT_SYNC
        assert world.entry("KEY#CLIENT").detail is not None  # as in ledgers that exist

    def test_is_not_changed_with_the_key_of_another_client(self, world):
        world.wrong_client = WrongClient("another client")
        with pytest.raises(WrongClient):
            activity_1.apply(world.context, world.command())
        assert (world.codat.changes, world.run.reached) == ([], None)

    def test_stays_on_while_companies_are_left_behind(self, world):
        world.change(everyone=False)
        activity_1.apply(world.context, world.command())
        assert world.codat.changes == []

    def test_settings_that_are_not_taken_as_posted_fail_the_step(self, world):
        world.codat.deaf.add("set_client_settings")
        with pytest.raises(StepFailed, match="client's settings are not as posted: t0"):
            activity_1.apply(world.context, world.command())
        assert world.entry(CLIENT).outcome is None
        assert world.entry(CLIENT).ours

    def test_a_read_back_that_is_one_answer_behind_is_looked_at_again(self, world):
        answers = [BEFORE, BEFORE, settings(0, 0)]
        world.codat.client_settings = lambda: answers.pop(0)
        activity_1.apply(world.context, world.command())
        assert (len(world.codat.changes), world.entry(CLIENT).outcome) == (1, "off")

    def test_a_read_back_is_looked_at_for_a_minute(self, world):
        world.codat.deaf.add("set_client_settings")
        with pytest.raises(StepFailed):
            activity_1.apply(world.context, world.command())
        assert world.now - NOW == timedelta(minutes=1)

    def test_a_read_back_goes_on_in_the_next_invocation(self, world):
        world.codat.deaf.add("set_client_settings")
        with pytest.raises(TryLater):
            activity_1.apply(world.context, world.command(more_time=lambda: False))

    def test_settings_that_changed_since_the_snapshot_are_kept(self, world):
        world.codat.client = settings(12, 0)
        with pytest.raises(StepFailed, match="changed since the snapshot"):
            activity_1.apply(world.context, world.command())
        assert (world.codat.changes, world.entry(CLIENT).ours) == ([], False)

    def test_a_repeat_after_a_lost_answer_posts_again_and_compares_nothing(self, world):
        world.codat.failing["set_client_settings"] = Permanent("no answer")
        with pytest.raises(Permanent):
            activity_1.apply(world.context, world.command())
        world.codat.failing.clear()
        world.codat.client = settings(0, 0)  # the lost call arrived
        activity_1.apply(world.context, world.command())
        activity_1.apply(world.context, world.command())
        assert len(world.codat.changes) == 1
        assert world.entry(CLIENT).outcome == "off"

    def test_is_not_changed_once_a_rollback_has_begun(self, world):
        world.ledger.raise_epoch(world.run.migration_id)
        with pytest.raises(Superseded):
            activity_1.apply(world.context, world.command(epoch=1))
        assert world.codat.changes == []

    def test_an_unknown_value_for_off_fails_the_step(self, world):
        world.change(off_value=None)
        with pytest.raises(StepFailed, match="which syncSchedule means off"):
            activity_1.apply(world.context, world.command())
        assert world.codat.changes == []

    def test_is_restored_once(self, world):
        activity_1.apply(world.context, world.command())
        for _ in range(2):
            activity_1.compensate(world.context, world.undo(epoch=2))
        assert world.codat.client == BEFORE
        assert len(world.codat.changes) == 2
        assert world.entry(CLIENT).undone == "restored"

    def test_that_this_run_did_not_change_is_left_alone(self, world):
        world.codat.client = settings(1, 0)
        activity_1.compensate(world.context, world.undo(epoch=2))
        assert world.codat.client == settings(1, 0)

    def test_a_restore_that_codat_does_not_carry_out_is_not_undone(self, world):
        activity_1.apply(world.context, world.command())
        world.codat.deaf.add("set_client_settings")
        activity_1.compensate(world.context, world.undo(epoch=2))
        assert world.entry(CLIENT).ours
        (left,) = world.ledger.under(world.run.migration_id, "LEFT#compensate#client#").values()
        assert "not as posted" in left.detail["error"]

    def test_that_are_as_in_the_snapshot_already_count_as_restored(self, world):
        activity_1.apply(world.context, world.command())
        world.codat.client = BEFORE
        world.codat.failing["set_client_settings"] = Forbidden("no such plan")
        activity_1.compensate(world.context, world.undo(epoch=2))
        assert world.entry(CLIENT).undone == "restored"


def switch_off(world, *company_ids, **fields):
    return activity_1.apply_chunk(world.context, world.command(*company_ids, **fields))


def restore(world, *company_ids):
    return activity_1.compensate_chunk(world.context, world.undo(*company_ids, epoch=2))


def schedules(world, company_id):
    return [setting["syncSchedule"] for setting in world.codat.levels[company_id]["settings"]]


class TestCompanies:
    def test_with_settings_of_their_own_are_switched_off(self, world):
        own = world.company("own", 6)
        inherits, off = world.company("inherits", 24, counts=False), world.company("off", 0)
        switch_off(world, own, inherits, off)
        assert world.codat.changes == [("set_company_settings", own)]
        assert schedules(world, own) == [0]
        tally = world.tally(activity_1.PHASE)
        assert (tally.finished, tally.done, tally.skipped) == (True, 1, 2)
        assert world.entry(company_entry(own)).outcome == "off"

    def test_of_a_subset_are_all_switched_off_by_an_override(self, world):
        world.change(everyone=False)
        inherits = world.company("inherits", 24, counts=False)
        switch_off(world, inherits)
        assert schedules(world, inherits) == [0]
        assert world.codat.levels[inherits]["overridesDefaults"] is True

    def test_without_a_snapshot_are_not_touched(self, world):
        switch_off(world, world.company("late", 6, late=True))
        assert world.codat.changes == []

    def test_a_refusal_costs_one_company(self, world):
        refused, other = world.company("a", 6), world.company("b", 6)
        world.codat.levels[refused] = {**settings(1), "companyId": refused}
        switch_off(world, refused, other)
        tally = world.tally(activity_1.PHASE)
        assert (tally.done, tally.failed) == (1, 1)
        assert "settings of a changed since the snapshot" in tally.reasons[0]
        assert world.codat.changes == [("set_company_settings", other)]

    def test_settings_that_are_not_taken_as_posted_are_a_failure(self, world):
        world.codat.deaf.add("set_company_settings")
        switch_off(world, world.company("a", 6))
        assert world.tally(activity_1.PHASE).failed == 1

    def test_a_deleted_company_is_skipped(self, world):
        gone = world.company("gone", 6)
        world.codat.delete(gone)
        switch_off(world, gone)
        assert world.tally(activity_1.PHASE).skipped == 1

    def test_out_of_time_the_chunk_is_not_finished_and_the_next_call_goes_on(self, world):
        ids = [world.company("a", 6), world.company("b", 6)]
        times = iter([True, False])
        assert switch_off(world, *ids, more_time=lambda: next(times)).next == "again"
        assert world.tally(activity_1.PHASE) is None
        assert switch_off(world, *ids).next == "done"
        assert len(world.codat.changes) == 2
        assert world.tally(activity_1.PHASE).done == 2

    def test_are_restored_if_this_run_changed_them(self, world):
        changed, other = world.company("a", 6), world.company("b", 24, counts=False)
        before = dict(world.codat.levels[changed])
        switch_off(world, changed, other)
        restore(world, changed, other)
        restore(world, changed, other)
        assert world.codat.levels[changed] == before
        assert len(world.codat.changes) == 2
        assert world.entry(company_entry(changed)).undone == "restored"

    def test_out_of_time_the_undo_goes_on_in_the_next_call(self, world):
        ids = [world.company("a", 6), world.company("b", 6)]
        switch_off(world, *ids)
        times = iter([True, False])
        command = world.undo(*ids, epoch=2, more_time=lambda: next(times))
        assert activity_1.compensate_chunk(world.context, command).next == "again"
        assert [world.entry(company_entry(name)).ours for name in ids] == [False, True]

    def test_what_others_changed_since_is_named(self, world):
        company = world.company("a", 6)
        switch_off(world, company)
        world.codat.levels[company] = {**settings(12), "companyId": company}
        restore(world, company)
        assert schedules(world, company) == [6]
        (reason,) = world.tally(activity_1.UNDO_PHASE, "undo").reasons
        assert reason.startswith("a: changes made since are overwritten: t0: ")

    def test_a_change_that_never_arrived_is_no_change_of_others(self, world):
        company = world.company("a", 6)
        world.codat.deaf.add("set_company_settings")
        switch_off(world, company)
        restore(world, company)
        assert world.tally(activity_1.UNDO_PHASE, "undo").reasons == ()
        assert world.entry(company_entry(company)).undone == "restored"

    def test_a_restore_that_codat_does_not_carry_out_is_a_failure(self, world):
        company = world.company("a", 6)
        switch_off(world, company)
        world.codat.deaf.add("set_company_settings")
        restore(world, company)
        assert world.tally(activity_1.UNDO_PHASE, "undo").failed == 1
        assert world.entry(company_entry(company)).ours

    def test_a_repeat_after_a_lost_answer_does_not_compare_with_the_snapshot(self, world):
        company = world.company("a", 6)
        world.codat.failing["set_company_settings"] = OutcomeUnknown("no answer")
        assert switch_off(world, company).next == "again"
        world.codat.failing.clear()
        world.codat.levels[company] = {**settings(0), "companyId": company}  # the call arrived
        switch_off(world, company)
        assert world.tally(activity_1.PHASE).done == 1

    def test_a_company_that_is_gone_counts_as_restored(self, world):
        company = world.company("a", 6)
        switch_off(world, company)
        world.codat.delete(company)
        restore(world, company)
        assert world.entry(company_entry(company)).undone == "company gone"

    @pytest.mark.parametrize("gone", [True, False])
    def test_a_404_on_posting_counts_only_if_the_company_is_gone(self, world, gone):
        company = world.company("a", 6)

        def refuse(_wanted, _key):
            if gone:
                world.codat.delete(company)
            raise NotFound("no such company")

        world.codat.set_company_settings = refuse
        switch_off(world, company)
        tally = world.tally(activity_1.PHASE)
        assert (tally.skipped, tally.failed) == (gone, not gone)
        assert tally.reasons[0].startswith("a was deleted" if gone else "a: its settings are as")

    def test_a_company_that_is_deleted_after_the_post_is_not_looked_at_again(self, world):
        company = world.company("a", 6)
        world.codat.set_company_settings = lambda _wanted, _key: world.codat.delete(company)
        switch_off(world, company)
        assert (world.tally(activity_1.PHASE).skipped, world.now) == (1, NOW)

    def test_a_company_that_is_deleted_while_it_is_restored_is_named(self, world):
        company = world.company("a", 6)
        switch_off(world, company)

        def refuse(_wanted, _key):
            world.codat.delete(company)
            raise NotFound("no such company")

        world.codat.set_company_settings = refuse
        restore(world, company)
        assert world.entry(company_entry(company)).undone == "company gone"
        assert world.tally(activity_1.UNDO_PHASE, "undo").failed == 0

    def test_settings_that_are_as_in_the_snapshot_already_count_as_restored(self, world):
        company = world.company("a", 6)
        before = world.codat.levels[company]
        switch_off(world, company)
        world.codat.levels[company] = before
        world.codat.failing["set_company_settings"] = Permanent("refused")
        restore(world, company)
        assert world.entry(company_entry(company)).undone == "restored"

    def test_a_failure_that_lasts_an_hour_costs_one_company(self, world):
        ids = [world.company("a", 6), world.company("b", 6)]
        inner = world.codat.set_company_settings

        def refuse(wanted, key):
            if wanted["companyId"] == "a":
                raise TryLater("away", status=500)
            inner(wanted, key)

        world.codat.set_company_settings = refuse
        for minutes in (0, 5, 15, 30):
            world.now = NOW + timedelta(minutes=minutes)
            assert switch_off(world, *ids).next == "again"
        world.now = NOW + PATIENCE - timedelta(seconds=1)
        assert switch_off(world, *ids).next == "again"
        world.now = NOW + PATIENCE
        assert switch_off(world, *ids).next == "done"
        tally = world.tally(activity_1.PHASE)
        assert (tally.done, tally.failed) == (1, 1)

    def test_while_a_failure_of_one_company_may_pass_the_run_says_so(self, world):
        company = world.company("a", 6)
        world.codat.failing["set_company_settings"] = TryLater("down", status=503)
        assert switch_off(world, company).next == "again"
        told = waits_for(world.ledger, world.run)
        assert told == "Codat, since 22 November 10:15 UTC: HTTP 503 | down"
        world.codat.failing.clear()
        assert switch_off(world, company).next == "done"
        assert waits_for(world.ledger, world.run) is None

    def test_one_404_alone_does_not_prove_that_a_company_is_gone(self, world):
        company = world.company("a", 6)
        switch_off(world, company)
        del world.codat.levels[company]
        for _ in range(4):
            assert restore(world, company).next == "again"
        world.now += PATIENCE
        for _ in range(4):  # an outage needs five tries
            restore(world, company)
        assert world.entry(company_entry(company)).ours
        assert world.tally(activity_1.UNDO_PHASE, "undo").failed == 1

    def test_a_rollback_with_one_company_unrestored_names_it(self, world):
        stuck, other = world.company("a", 6), world.company("b", 6)
        switch_off(world, stuck, other)
        inner = world.codat.set_company_settings

        def refuse(wanted, key):
            if wanted["companyId"] == stuck:
                raise Permanent("refused")
            inner(wanted, key)

        world.codat.set_company_settings = refuse
        restore(world, stuck, other)
        assert world.entry(company_entry(stuck)).ours
        assert not world.entry(company_entry(other)).ours
        activity_1.judge_undo(world.context, world.undo(epoch=2))
        world.change(status=MigrationStatus.ROLLING_BACK)
        with pytest.raises(StepFailed, match=r"a: its settings are not restored.*: refused"):
            rollback.finish(world.context, world.undo(epoch=2))


class TestKeepOff:
    """A company that keeps a product in a rollback is not read by the client's schedules too."""

    def keep(self, world, company):
        activity_1.keep_off(world.context, world.undo(company, epoch=1), world.run, company)

    def test_it_gets_settings_of_its_own_that_are_off(self, world):
        company = world.company("a", 24, counts=False)
        self.keep(world, company)
        assert (schedules(world, company), world.codat.levels[company]["overridesDefaults"]) == (
            [0],
            True,
        )
        assert world.entry(company_entry(company)).outcome == "off"

    @pytest.mark.parametrize("before", ["off", "switched off", "no snapshot", "gone"])
    def test_what_is_off_already_or_unknown_is_left(self, world, before):
        company = world.company("a", 0 if before == "off" else 6, late=before == "no snapshot")
        if before == "switched off":
            switch_off(world, company)
        if before == "gone":
            facts = {"settings": None, "products": [], "linked": True}
            world.ledger.note(
                ID, company_entry(company), lambda entry: replace(entry, before=facts)
            )
            world.codat.delete(company)
        made = len(world.codat.changes)
        self.keep(world, company)
        assert len(world.codat.changes) == made

    def test_a_snapshot_of_the_version_before_gets_its_settings_first(self, world):
        company = world.company("a", 24, counts=False)
        before = dict(world.codat.levels[company])
        facts = {"settings": None, "products": ["x"], "linked": True}
        world.ledger.note(ID, company_entry(company), lambda entry: replace(entry, before=facts))
        self.keep(world, company)
        assert world.entry(company_entry(company)).before == {**facts, "settings": before}
        assert schedules(world, company) == [0]

    def test_its_settings_are_left_and_named(self, world):
        company = world.company("a", 6)
        switch_off(world, company)
        attempts = Attempts.back(world.context, world.undo(company, epoch=2), world.run, "x")
        attempts.leave(kept(company, "lending"), "refused")
        restore(world, company)
        assert schedules(world, company) == [0]
        (reason,) = world.tally(activity_1.UNDO_PHASE, "undo").reasons
        assert reason.endswith(": its schedules stay off while it keeps lending")


class TestJudge:
    def test_the_time_is_kept_at_which_the_last_company_was_off(self, world):
        switch_off(world, world.company("a", 6))
        world.now = NOW + HOUR
        for _ in range(2):
            result = activity_1.judge(world.context, world.command())
            assert (result.next, result.wait_seconds) == ("done", 3600)
            world.now += HOUR
        assert world.run.disabled_at == NOW + HOUR
        assert world.run.notes == ()

    @pytest.mark.parametrize("tolerated", [0, 1])
    def test_failures_are_noted_up_to_the_tolerance(self, world, tolerated):
        request = world.run.request
        world.change(request=type(request)(("lending",), tolerated_failures=tolerated))
        world.codat.failing["set_company_settings"] = Permanent("refused")
        switch_off(world, world.company("a", 6))
        if tolerated:
            activity_1.judge(world.context, world.command())
            (note,) = world.run.notes
            assert note.startswith("company settings: 1 of 1 failed: a: its settings are as before")
            assert note.endswith(": refused")
        else:
            with pytest.raises(StepFailed, match="company settings: 1 of 1 failed"):
                activity_1.judge(world.context, world.command())
            assert world.run.disabled_at is None

    def test_a_chunk_that_is_missing_fails_the_step(self, world):
        with pytest.raises(StepFailed, match="1 of 1 chunks were not finished"):
            activity_1.judge(world.context, world.command())

    def test_a_chunk_that_is_missing_fails_the_undo(self, world):
        with pytest.raises(StepFailed, match=r"not all restored: .*1 of 1 chunks were not fin"):
            activity_1.judge_undo(world.context, world.undo(epoch=2))
