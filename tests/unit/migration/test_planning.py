from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.errors import RateLimited, TryLater, WrongClient
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.consumers import Consumer
from codat_hub.migration.usecases import planning
from codat_hub.migration.usecases.context import CLIENT, company_entry
from codat_hub.migration.usecases.step_table import run_step
from tests.support.migration.fakes import settings
from tests.support.migration.step_world import ID, NOW, StepWorld

OLD = Consumer("1", "https://old.example", ("read.completed", "company.created"))


def listed(world, listing="plan"):
    """Take a migration as far as its chunk is listed."""
    world.change(chunks={listing: 1})
    ids = list(world.codat.companies)
    members = [{"company_id": company_id} for company_id in ids]
    world.manifests.put(f"{ID}/{listing}.json", [{"name": f"{listing}-000000", "members": members}])
    facts = {"companies": len(ids), "left_behind": 0}
    world.ledger.note(ID, f"LISTING#{listing}", lambda entry: entry.came_to("listed", facts))
    return ids


def planned(world):
    ids = listed(world)
    planning.survey(world.context, world.command(*ids, listing="plan"))
    return planning.finish_plan(world.context, world.command())


def snapshotted(world):
    """Plan, approve and take the snapshot, as far as its comparison."""
    planned(world)
    world.change(approved_hash=world.run.plan_hash)
    planning.snapshot(world.context, world.command())
    listing = world.run.listing
    ids = listed(world, listing)
    planning.snapshot_companies(world.context, world.command(*ids, listing=listing))


def compare(world):
    return planning.compare_snapshot(world.context, world.command()).next


class TestPlan:
    def test_the_client_is_checked_before_anything_is_listed(self, world):
        world.wrong_client = WrongClient("another client")
        with pytest.raises(WrongClient):
            planning.plan(world.context, world.command())
        assert world.run.chunks == {"snapshot": 1, "undo": 1}

    def test_a_survey_that_fails_for_a_company_is_tried_again_after_the_others(self, world):
        world.company("a", 6, late=True)
        world.company("b", 6, late=True)
        asked, fails, settings_of = [], ["a", "b"], world.codat.company_settings

        def company_settings(company):
            asked.append(company)
            if company in fails:
                fails.remove(company)
                raise TryLater("503")
            return settings_of(company)

        world.codat.company_settings = company_settings
        command = world.command(*listed(world), listing="plan")
        assert planning.survey(world.context, command).next == "again"
        planned(world)
        assert asked == ["a", "b"] * 2
        assert world.run.plan["companies"] == 2

    @pytest.mark.parametrize("failure", [TryLater("503"), RateLimited("no room")])
    def test_a_survey_that_goes_on_asks_for_no_company_again_that_it_has_read(self, world, failure):
        for name in "abc":
            world.company(name, 6, late=True)
        asked, fails, settings_of = [], ["b"], world.codat.company_settings

        def company_settings(company):
            asked.append(company)
            if company in fails:
                fails.remove(company)
                raise failure
            return settings_of(company)

        world.codat.company_settings = company_settings
        command = world.command(*listed(world), listing="plan")
        assert run_step(world.context, "survey", "apply", command).next == "again"
        assert run_step(world.context, "survey", "apply", command).next == "done"
        assert sorted(asked) == ["a", "b", "b", "c"]
        tally = world.ledger.tally(ID, "survey", "plan-000000")
        assert (tally.done, tally.open, tally.reasons, tally.unsettled) == (3, 0, (), ())
        assert planning.finish_plan(world.context, world.command()).next == "approval"
        assert world.run.plan["companies"] == 3

    def test_a_company_is_not_given_up_after_a_few_tries_however_short_the_waits_are(self, world):
        world.company("a", 6, late=True)
        world.context = replace(
            world.context, limits=replace(world.context.limits, wait_scale=0.0001)
        )
        failures = iter([TryLater("503")] * 4)
        settings_of = world.codat.company_settings

        def company_settings(company):
            for failure in failures:
                raise failure
            return settings_of(company)

        world.codat.company_settings = company_settings
        command = world.command(*listed(world), listing="plan")
        for _ in range(4):
            world.now += timedelta(seconds=10)
            assert planning.survey(world.context, command).next == "again"
        assert planning.survey(world.context, command).next == "done"
        assert world.ledger.tally(ID, "survey", "plan-000000").failed == 0

    def test_a_plan_is_kept_and_asks_for_approval(self, world):
        world.company("a", 6, late=True)
        assert planned(world).next == "approval"
        run = world.run
        assert run.plan["hash"] == run.plan_hash
        assert (run.off_value, run.everyone) == (0, True)
        assert [made["name"] for made in planning.wanted_of(run)] == ["product-lending"]
        kept = world.manifests.get(f"{ID}/plans/{run.plan_hash}.json")
        assert kept == {**run.plan, "listing": "plan", "facts": kept["facts"]}
        assert world.codat.changes == []

    def test_the_survey_counts_what_each_company_needs(self, world):
        world.company("own", 6)
        world.company("inherits", 24, counts=False, linked=False)
        world.company("off", 0)
        world.company("has", 6, products=("lending",))
        world.company("refuses", 6, consent=False)
        ids = listed(world)
        planning.survey(world.context, world.command(*ids, "gone", listing="plan"))
        tally = world.tally("survey", "plan")
        assert (tally.done, tally.skipped) == (5, 1)
        survey = tally.survey
        assert (survey.companies, survey.linked, survey.unlinked) == (5, 4, ("inherits",))
        assert survey.overriding == ("own", "has", "refuses")
        assert (survey.overriding_count, survey.reading, survey.shortest_hours) == (3, 4, 6)
        counts = survey.products["lending"]
        assert (counts.adds, counts.had, counts.without_consent) == (3, 1, 1)

    def test_a_chunk_that_is_missing_fails_the_plan(self, world):
        listed(world)
        with pytest.raises(StepFailed, match=r"survey: .* chunks were not finished"):
            planning.finish_plan(world.context, world.command())

    def test_a_dry_run_ends_with_its_plan_and_its_refusals(self):
        world = StepWorld(dry_run=True)
        world.company("a", 6)
        world.codat.client = settings(24)
        assert planned(world).next == "planned"
        assert (world.run.status, world.run.ended_at) == ("planned", NOW)
        assert "which syncSchedule means off" in world.run.plan["refusals"][0]

    @pytest.mark.parametrize(
        ("request_", "text"),
        [
            ({"products": ("nothing",)}, "Product nothing is not registered with the hub"),
            ({"company_ids": ("a", "x", "y")}, "2 of the company ids are unknown at Codat"),
        ],
    )
    def test_a_run_that_cannot_succeed_is_refused(self, request_, text):
        world = StepWorld(**request_)
        world.company("a", 6)
        with pytest.raises(StepFailed, match=f"refused: .*{text}"):
            planned(world)
        assert world.run.plan["refusals"]

    def test_product_endpoints_that_are_closed_refuse_the_plan(self, world):
        world.company("a", 6)
        world.codat.failing["products_are_enabled"] = "HTTP 403"
        with pytest.raises(StepFailed, match="not enabled for this client: HTTP 403"):
            planned(world)

    def test_a_run_over_no_company_is_refused(self, world):
        world.change(chunks={"plan": 0})
        facts = {"companies": 0, "left_behind": 0}
        world.ledger.note(ID, "LISTING#plan", lambda entry: entry.came_to("listed", facts))
        with pytest.raises(StepFailed, match="covers no company"):
            planning.finish_plan(world.context, world.command())


class TestConsumers:
    def test_plain_reads_come_to_the_hub_once_old_consumers_are_switched_off(self, world):
        world.company("a", 6)
        world.codat.hooks = [OLD]
        planned(world)
        names = [made["name"] for made in planning.wanted_of(world.run)]
        assert names == ["product-lending", "product-standard", "successor-1"]

    def test_a_disabled_consumer_is_not_old(self, world):
        world.company("a", 6)
        world.codat.hooks = [replace(OLD, disabled=True)]
        planned(world)
        assert [made["name"] for made in planning.wanted_of(world.run)] == ["product-lending"]

    def test_while_companies_are_left_behind_no_consumer_is_old(self, world):
        world.company("a", 6)
        world.codat.hooks = [OLD]
        ids = listed(world)
        facts = {"companies": 1, "left_behind": 1}
        world.ledger.note(ID, "LISTING#plan", lambda entry: entry.came_to("listed", facts))
        planning.survey(world.context, world.command(*ids, listing="plan"))
        planning.finish_plan(world.context, world.command())
        assert not world.run.everyone
        assert [made["name"] for made in planning.wanted_of(world.run)] == ["product-lending"]

    def test_old_are_those_of_the_snapshot_that_were_enabled(self, world):
        others = [replace(OLD, consumer_id="2", disabled=True), Consumer("3", "https://x", ("a",))]
        world.save_client(OLD, *others)
        world.codat.hooks = []
        assert planning.old_consumers(world.context, ID) == [OLD]


class TestSnapshot:
    def test_the_client_is_checked_before_the_snapshot(self, world):
        world.wrong_client = WrongClient("another client")
        with pytest.raises(WrongClient):
            planning.snapshot(world.context, world.command())

    def test_what_is_there_is_saved_once(self, world):
        world.company("a", 6, late=True)
        world.codat.hooks = [OLD]
        snapshotted(world)
        before = world.entry(CLIENT).before
        assert before["settings"] == settings(24, 0)
        assert [saved["consumer_id"] for saved in before["consumers"]] == ["1"]
        company = world.entry(company_entry("a")).before
        assert (company["products"], company["linked"]) == ([], True)
        world.codat.client, world.codat.levels["a"] = settings(1, 0), settings(1)
        snapshotted(world)
        assert world.entry(CLIENT).before == before
        assert world.entry(company_entry("a")).before == company

    def test_as_approved_the_run_goes_on(self, world):
        world.company("a", 6, late=True)
        snapshotted(world)
        assert compare(world) == "done"
        assert world.run.notes == ()

    @pytest.mark.parametrize("change", ["client", "company", "products", "many", "consumers"])
    def test_anything_else_asks_again(self, world, change):
        world.company("a", 6, late=True)
        planned(world)
        world.change(approved_hash=world.run.plan_hash)
        match change:
            case "client":
                world.codat.client = settings(12, 0)
            case "company":
                world.codat.levels["a"] = settings(12)
            case "products":
                world.codat.add_product("a", "lending")
            case "many":
                for number in range(11):
                    world.company(f"b{number:02}", 6, late=True)
            case "consumers":
                world.codat.hooks = [OLD]
        planning.snapshot(world.context, world.command())
        listing = world.run.listing
        ids = listed(world, listing)
        planning.snapshot_companies(world.context, world.command(*ids, listing=listing))
        assert compare(world) == "differs"
        assert world.run.plan_hash != world.run.approved_hash
        assert "asks again for approval" in world.run.notes[0]
        shown = {"many": "12 companies, and the approval covers 11", "company": "of a:"}
        assert shown.get(change, ": ") in world.run.notes[0]

    def test_companies_within_the_ceiling_are_covered_and_named(self, world):
        world.company("a", 6, late=True)
        planned(world)
        world.change(approved_hash=world.run.plan_hash)
        for number in range(10):
            world.company(f"b{number}", late=True, consent=number == 0)
        planning.snapshot(world.context, world.command())
        listing = world.run.listing
        ids = listed(world, listing)
        planning.snapshot_companies(world.context, world.command(*ids, listing=listing))
        assert compare(world) == "done"
        (note,) = world.run.notes
        assert "b0 (its own settings, consent to lending), b1 (its own settings" in note
        assert "b9 (its own settings, consent to nothing)" in note

    def test_out_of_time_the_next_call_goes_on(self, world):
        world.company("a", 6, late=True)
        command = world.command("a", more_time=lambda: False)
        assert planning.snapshot_companies(world.context, command).next == "again"
        assert world.entry(company_entry("a")).before is None
