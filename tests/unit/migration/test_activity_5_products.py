from dataclasses import replace

import pytest

from codat_hub.codat.errors import Forbidden, NotFound, OutcomeUnknown, Permanent, WrongClient
from codat_hub.companies.domain.assignment import AssignmentStatus
from codat_hub.errors import StepFailed, Superseded
from codat_hub.migration.domain.run import Activity, MigrationRequest
from codat_hub.migration.steps import activity_1_client_sync as activity_1
from codat_hub.migration.steps import activity_5_products as activity_5
from codat_hub.migration.usecases.context import company_entry, product_entry
from tests.support.migration.step_world import ID

PRODUCT = "lending"
ADDED = ("add_product", "a", PRODUCT)
REMOVED = ("remove_product", "a", PRODUCT)


def add(world, *company_ids, **fields):
    return activity_5.apply_chunk(world.context, world.command(*company_ids, **fields))


def remove(world, *company_ids, **fields):
    return activity_5.compensate_chunk(world.context, world.undo(*company_ids, epoch=2, **fields))


def entry(world, company_id="a"):
    return world.entry(product_entry(company_id, PRODUCT))


def tally(world):
    return world.tally(activity_5.PHASE)


def status(world, company_id="a"):
    return world.assignments.get(company_id, PRODUCT)[0].status


def intercept(world, call, before=None, after=None):
    """Do something around the next calls of this name."""
    inner = getattr(world.codat, call)

    def around(*args):
        if before:
            before(*args)
        answer = inner(*args)
        if after:
            after(*args)
        return answer

    setattr(world.codat, call, around)


class TestBegin:
    def test_the_client_is_checked_before_anything_is_added(self, world):
        world.wrong_client = WrongClient("another client")
        with pytest.raises(WrongClient):
            activity_5.begin(world.context, world.command())
        assert world.run.reached is None

    def test_the_activity_is_recorded(self, world):
        activity_5.begin(world.context, world.command())
        assert (world.run.reached, world.checks) == (Activity.ADD_PRODUCTS, 1)


class TestAdd:
    def test_a_product_is_added_to_a_company_that_consented(self, world):
        add(world, world.company("a"))
        assert world.codat.companies["a"].products == (PRODUCT,)
        assert (entry(world).outcome, entry(world).before) == ("added", {"had": False})
        assert status(world) is AssignmentStatus.ASSIGNED
        assert world.assignments.get("a", PRODUCT)[0].changed_by == f"migration {ID}"
        assert (tally(world).finished, tally(world).done) == (True, 1)
        assert entry(world).detail == world.now.isoformat()  # its first read comes later

    def test_a_product_that_a_company_had_before_is_not_ours(self, world):
        company = world.company("a", products=(PRODUCT,))
        add(world, company)
        assert (tally(world).done, tally(world).finished) == (1, True)
        remove(world, company)
        assert world.codat.changes == []
        assert (entry(world).outcome, entry(world).ours) == ("had", False)
        assert world.codat.companies["a"].products == (PRODUCT,)

    def test_a_product_that_came_between_listing_and_adding_is_not_ours_either(self, world):
        company = world.company("a")
        command = world.command(company)
        world.codat.add_product("a", PRODUCT)
        activity_5.apply_chunk(world.context, command)
        remove(world, company)
        assert world.codat.changes == [ADDED]
        assert entry(world).before == {"had": True}

    def test_a_product_that_was_removed_between_listing_and_adding_is_not_ours(self, world):
        company = world.company("a", products=(PRODUCT,))
        command = world.command(company)
        world.codat.remove_product("a", PRODUCT)
        activity_5.apply_chunk(world.context, command)
        assert world.codat.changes == [REMOVED]
        assert (entry(world).outcome, entry(world).ours) == ("had", False)

    def test_while_the_call_is_made_the_hub_says_that_it_is_adding(self, world):
        company = world.company("a")
        seen = []
        intercept(world, "add_product", before=lambda *_: seen.append(status(world)))
        add(world, company)
        assert seen == [AssignmentStatus.ADDING]
        assert world.assignments.get("a", PRODUCT)[0].added_at == world.now

    def test_a_repeat_adds_nothing_twice(self, world):
        company = world.company("a")
        add(world, company)
        world.codat.company = None  # nor is it asked for the company again
        add(world, company)
        assert world.codat.changes == [ADDED]
        assert tally(world).done == 1

    def test_without_consent_a_company_is_skipped_and_named(self, world):
        add(world, world.company("a", consent=False))
        assert world.codat.changes == []
        assert (entry(world).outcome, entry(world).ours) == ("no consent", False)
        assert (tally(world).skipped, tally(world).reasons) == (1, ("a: no consent to lending",))

    def test_a_consent_that_does_not_cover_all_data_types_is_none(self, world):
        company = world.company("a")
        lending = world.registry.known[PRODUCT]
        world.registry.known[PRODUCT] = type(lending)(
            PRODUCT, lending.kind, data_types=("invoices", "bills")
        )
        add(world, company)
        assert world.codat.changes == []

    def test_a_consent_that_is_withdrawn_during_the_call_takes_the_product_away(self, world):
        company = world.company("a")
        intercept(world, "add_product", after=lambda *_: world.consent("a", revoked=True))
        add(world, company)
        assert world.codat.changes == [ADDED, REMOVED]
        assert (entry(world).outcome, entry(world).undone) == ("no consent", "removed")
        assert status(world) is AssignmentStatus.ABSENT
        assert tally(world).skipped == 1

    @pytest.mark.parametrize("arrived", [True, False])
    def test_a_consent_that_is_withdrawn_after_a_lost_answer_keeps_nothing(self, world, arrived):
        company = world.company("a")
        lose_answer(world, company, arrived=arrived)
        world.consent("a", revoked=True)
        add(world, company)
        assert world.codat.companies["a"].products == ()
        assert entry(world).outcome == "no consent"
        assert entry(world).undone == ("removed" if arrived else None)
        assert world.codat.changes.count(REMOVED) == arrived

    @pytest.mark.parametrize("arrived", [True, False])
    def test_a_lost_answer_is_ours_and_is_not_asked_for_twice(self, world, arrived):
        company = world.company("a")
        lose_answer(world, company, arrived=arrived)
        assert entry(world).ours
        add(world, company)
        assert world.codat.changes == [ADDED]
        assert entry(world).outcome == "added"
        remove(world, company)
        assert world.codat.companies["a"].products == ()

    def test_a_404_on_adding_of_a_company_that_is_there_is_a_failure(self, world):
        world.codat.failing["add_product"] = NotFound("no such product")
        add(world, world.company("a"))
        assert (tally(world).failed, tally(world).reasons) == (
            1,
            ("a: lending is not added: no such product",),
        )
        assert entry(world).ours

    def test_a_404_on_adding_of_a_company_that_is_gone_is_skipped(self, world):
        company = world.company("a")
        intercept(world, "add_product", before=lambda *_: world.codat.delete("a"))
        add(world, company)
        assert (tally(world).skipped, tally(world).failed) == (1, 0)
        assert tally(world).reasons == ("a was deleted meanwhile",)

    @pytest.mark.parametrize("refusal", [Permanent("refused"), Forbidden("refused")])
    def test_a_refusal_costs_one_company(self, world, refusal):
        ids = [world.company("a"), world.company("b")]

        def refuse(company_id, _product):
            if company_id == "a":
                raise refusal

        intercept(world, "add_product", before=refuse)
        add(world, *ids)
        assert (tally(world).done, tally(world).failed) == (1, 1)
        assert entry(world, "b").outcome == "added"

    def test_a_company_that_is_gone_is_skipped(self, world):
        company = world.company("a")
        world.codat.delete("a")
        add(world, company)
        assert (tally(world).skipped, entry(world).before) == (1, None)

    def test_one_404_for_a_company_that_is_there_skips_nothing(self, world):
        company = world.company("a")
        listed = world.codat.companies.pop("a")
        assert add(world, company).next == "again"
        world.codat.companies["a"] = listed
        assert add(world, company).next == "done"
        assert (tally(world).done, entry(world).outcome) == (1, "added")

    def test_a_company_whose_settings_stayed_on_gets_no_product(self, world):
        ids = [world.company("a", 6), world.company("b", 6)]
        inner = world.codat.set_company_settings

        def refuse(wanted, key):
            if wanted["companyId"] == "a":
                raise Permanent("refused")
            inner(wanted, key)

        world.codat.set_company_settings = refuse
        activity_1.apply_chunk(world.context, world.command(*ids))
        world.codat.set_company_settings = inner
        add(world, *ids)
        assert world.codat.companies["a"].products == ()
        assert (tally(world).done, tally(world).skipped) == (1, 1)
        assert tally(world).reasons == ("a gets no product: its settings are as before",)

    def test_a_late_company_gets_a_snapshot_and_its_own_schedules_go_off(self, world):
        add(world, world.company("a", 6, late=True, products=("other",), linked=False))
        before = world.entry(company_entry("a")).before
        assert (before["products"], before["linked"]) == (["other"], False)
        assert before["settings"]["settings"][0]["syncSchedule"] == 6
        assert world.codat.changes == [("set_company_settings", "a"), ADDED]
        assert world.codat.levels["a"]["settings"][0]["syncSchedule"] == 0

    def test_a_late_company_whose_schedules_stay_on_gets_no_product(self, world):
        world.codat.failing["set_company_settings"] = Forbidden("no such plan")
        add(world, world.company("a", 6, late=True))
        assert world.codat.changes == []
        assert tally(world).failed == 1

    def test_a_consent_that_is_given_again_makes_the_product_ours_again(self, world):
        company = world.company("a")
        inner = world.codat.add_product
        intercept(world, "add_product", after=lambda *_: world.consent("a", revoked=True))
        add(world, company)
        world.codat.add_product = inner
        world.consent("a")
        add(world, company)
        assert (entry(world).outcome, entry(world).undone) == ("added", None)
        remove(world, company)
        assert world.codat.companies["a"].products == ()

    def test_a_snapshot_is_never_written_over(self, world):
        company = world.company("a", 6)
        before = world.entry(company_entry("a")).before
        add(world, company)
        assert world.entry(company_entry("a")).before == before
        assert before["settings"] is not None

    def test_nothing_is_added_once_a_rollback_has_begun(self, world):
        company = world.company("a")
        world.ledger.raise_epoch(ID)
        with pytest.raises(Superseded):
            add(world, company)
        assert world.codat.changes == []
        assert status(world) is AssignmentStatus.ABSENT

    def test_out_of_time_the_next_call_goes_on(self, world):
        ids = [world.company("a"), world.company("b")]
        times = iter([True, False])
        assert add(world, *ids, more_time=lambda: next(times)).next == "again"
        assert tally(world) is None
        assert add(world, *ids).next == "done"
        assert len(world.codat.changes) == 2


def lose_answer(world, company, *, arrived):
    """Add a product with a call whose answer is lost."""

    def lost(*_):
        raise OutcomeUnknown("no answer")

    inner = world.codat.add_product
    intercept(world, "add_product", **{"after" if arrived else "before": lost})
    assert add(world, company).next == "again"
    world.codat.add_product = inner


class TestJudge:
    @pytest.mark.parametrize("tolerated", [0, 1])
    def test_failures_are_tolerated_up_to_the_limit(self, world, tolerated):
        world.change(request=MigrationRequest((PRODUCT,), tolerated_failures=tolerated))
        world.codat.failing["add_product"] = Permanent("refused")
        world.change(step="add_products")
        add(world, world.company("a"))
        if tolerated:
            activity_5.judge(world.context, world.command())
            assert (world.run.migrated, world.run.step) == (True, "add_products")
            note = "adding products: 0 skipped, 1 of 1 failed: a: lending is not added: refused"
            assert world.run.notes == (note,)
        else:
            with pytest.raises(StepFailed, match="adding products: 1 of 1 failed"):
                activity_5.judge(world.context, world.command())
            assert not world.run.migrated


class TestRemove:
    def test_what_this_run_added_is_removed_once(self, world):
        company = world.company("a", products=("other",))
        add(world, company)
        remove(world, company)
        remove(world, company)
        assert world.codat.companies["a"].products == ("other",)
        assert world.codat.changes == [ADDED, REMOVED]
        assert (entry(world).undone, status(world)) == ("removed", AssignmentStatus.ABSENT)
        assert world.tally(activity_5.UNDO_PHASE, "undo").skipped == 1
        assert world.tally(activity_5.UNDO_PHASE, "undo").reasons == ()

    def test_a_product_that_others_removed_counts_as_undone(self, world):
        company = world.company("a")
        add(world, company)
        world.codat.remove_product("a", PRODUCT)
        remove(world, company)
        assert entry(world).undone == "was not there"

    def test_a_company_that_is_gone_counts_as_undone(self, world):
        company = world.company("a")
        add(world, company)
        world.codat.delete("a")
        remove(world, company)
        assert entry(world).undone == "company gone"
        assert world.tally(activity_5.UNDO_PHASE, "undo").reasons == ("a was deleted",)

    def test_while_the_call_is_made_the_hub_says_that_it_is_removing(self, world):
        company, seen = world.company("a"), []
        add(world, company)
        intercept(world, "remove_product", lambda *_: seen.append(status(world)))
        remove(world, company)
        assert seen == [AssignmentStatus.REMOVING]

    def test_a_404_on_removing_of_a_product_that_is_gone_is_a_success(self, world):
        company = world.company("a")
        add(world, company)

        def others_remove_it(company_id, _product):
            known = world.codat.companies[company_id]
            world.codat.companies[company_id] = replace(known, products=())

        intercept(world, "remove_product", others_remove_it)
        remove(world, company)
        assert (entry(world).undone, status(world)) == ("removed", AssignmentStatus.ABSENT)

    def test_a_404_on_removing_counts_only_if_the_company_says_so(self, world):
        company = world.company("a")
        add(world, company)
        world.codat.deaf.add("remove_product")  # it answers 404 and removes nothing
        remove(world, company)
        assert entry(world).ours
        (reason,) = world.tally(activity_5.UNDO_PHASE, "undo").reasons
        assert "still there, though Codat answered 404" in reason

    @pytest.mark.parametrize("refusal", [Permanent("refused"), Forbidden("refused")])
    def test_a_company_that_keeps_its_product_costs_itself_and_stays_off(self, world, refusal):
        ids = [world.company("a", 24, counts=False), world.company("b", 24, counts=False)]
        add(world, *ids)
        world.ledger.raise_epoch(ID)

        def refuse(company_id, _product):
            if company_id == "a":
                raise refusal

        intercept(world, "remove_product", before=refuse)
        remove(world, *ids)
        assert entry(world, "b").undone == "removed"
        assert activity_5.judge_undo(world.context, world.undo(epoch=2)).next == "done"
        own = world.codat.levels["a"]
        assert (own["overridesDefaults"], own["settings"][0]["syncSchedule"]) == (True, 0)
        assert world.codat.levels["b"]["overridesDefaults"] is False
        assert world.entry(company_entry("a")).ours

    def test_a_company_that_keeps_its_product_and_its_schedules_is_named_for_both(self, world):
        company = world.company("a", 24, counts=False)
        add(world, company)
        world.ledger.raise_epoch(ID)
        for call in ("remove_product", "set_company_settings"):
            world.codat.failing[call] = Permanent("refused")
        remove(world, company)
        reasons = world.tally(activity_5.UNDO_PHASE, "undo").reasons
        assert {reason.partition(" ")[0] for reason in reasons} == {"a:"}
        assert len(reasons) == 2

    def test_a_chunk_that_is_missing_fails_the_undo(self, world):
        with pytest.raises(StepFailed, match=r"not all removed: .*1 of 1 chunks were not finished"):
            activity_5.judge_undo(world.context, world.undo(epoch=2))

    @pytest.mark.parametrize(("keep", "answer"), [(5, "done"), (6, "ask")])
    def test_more_than_five_companies_that_keep_a_product_are_a_question(self, world, keep, answer):
        ids = [world.company(f"c{number}") for number in range(7)]
        add(world, *ids)

        def refuse(company_id, _product):
            if company_id in ids[:keep]:
                raise Permanent("refused")

        intercept(world, "remove_product", before=refuse)
        remove(world, *ids)
        assert activity_5.judge_undo(world.context, world.undo(epoch=2)).next == answer

    def test_all_removed_passes(self, world):
        company = world.company("a")
        add(world, company)
        remove(world, company)
        assert activity_5.judge_undo(world.context, world.undo(epoch=2)).next == "done"

    def test_out_of_time_the_next_call_goes_on(self, world):
        ids = [world.company("a"), world.company("b")]
        add(world, *ids)
        times = iter([True, False])
        assert remove(world, *ids, more_time=lambda: next(times)).next == "again"
        assert remove(world, *ids).next == "done"
        assert not entry(world, "b").ours
