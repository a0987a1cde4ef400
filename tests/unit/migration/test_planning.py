from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.errors import RateLimited, TryLater, WrongClient
from codat_hub.errors import StepFailed
from codat_hub.migration.steps import planning
from codat_hub.migration.steps.findings import wanted_of
from codat_hub.migration.usecases.step_table import run_step
from tests.support.migration.fakes import settings
from tests.support.migration.planned import listed, planned
from tests.support.migration.step_world import ID, NOW, StepWorld


def test_the_client_is_checked_before_anything_is_listed(world):
    world.wrong_client = WrongClient("another client")
    with pytest.raises(WrongClient):
        planning.plan(world.context, world.command())
    assert world.run.chunks == {"snapshot": 1, "undo": 1}


def test_a_plan_begins_with_the_list_of_companies(world):
    world.company("a", 6, late=True)
    begun = planning.plan(world.context, world.command())
    assert (begun.next, begun.listing, begun.listed) == ("done", "plan", "companies")
    assert begun.manifest == f"{ID}/plan.json"


def test_a_survey_that_fails_for_a_company_is_tried_again_after_the_others(world):
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
def test_a_survey_that_goes_on_asks_for_no_company_again_that_it_has_read(world, failure):
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


def test_a_company_is_not_given_up_after_a_few_tries_however_short_the_waits_are(world):
    world.company("a", 6, late=True)
    world.context = replace(world.context, limits=replace(world.context.limits, wait_scale=0.0001))
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


def test_out_of_time_the_next_call_goes_on_with_the_companies_that_are_left(world):
    for name in "abc":
        world.company(name, 6, late=True)
    ids, times = listed(world), iter([True, False])
    command = world.command(*ids, listing="plan", more_time=lambda: next(times))
    assert planning.survey(world.context, command).next == "again"
    assert world.tally("survey", "plan").done == 1
    assert planning.survey(world.context, world.command(*ids, listing="plan")).next == "done"
    assert world.tally("survey", "plan").survey.companies == 3


def test_a_company_that_was_deleted_meanwhile_is_skipped_with_a_reason(world):
    world.company("a", 6, late=True)
    planning.survey(world.context, world.command(*listed(world), "gone", listing="plan"))
    assert world.tally("survey", "plan").reasons == ("gone was deleted meanwhile",)


def test_a_plan_is_kept_and_asks_for_approval(world):
    world.company("a", 6, late=True)
    world.codat.client = settings(24, -1)
    assert planned(world).next == "approval"
    run = world.run
    assert run.plan["hash"] == run.plan_hash
    assert (run.off_value, run.everyone) == (-1, True)
    assert [made["name"] for made in wanted_of(run)] == ["product-lending"]
    kept = world.manifests.get(f"{ID}/plans/{run.plan_hash}.json")
    assert kept == {**run.plan, "listing": "plan", "facts": kept["facts"]}
    assert world.codat.changes == []


def test_the_survey_counts_what_each_company_needs(world):
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


def test_a_chunk_that_is_missing_fails_the_plan(world):
    listed(world)
    with pytest.raises(StepFailed, match=r"survey: .* chunks were not finished"):
        planning.finish_plan(world.context, world.command())


def test_a_dry_run_ends_with_its_plan_and_its_refusals():
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
def test_a_run_that_cannot_succeed_is_refused(request_, text):
    world = StepWorld(**request_)
    world.company("a", 6)
    with pytest.raises(StepFailed, match=f"refused: .*{text}"):
        planned(world)
    assert world.run.plan["refusals"]


def test_product_endpoints_that_are_closed_refuse_the_plan(world):
    world.company("a", 6)
    world.codat.failing["products_are_enabled"] = "HTTP 403"
    with pytest.raises(StepFailed, match="not enabled for this client: HTTP 403"):
        planned(world)


def test_a_run_over_no_company_is_refused(world):
    world.change(chunks={"plan": 0})
    facts = {"companies": 0, "left_behind": 0}
    world.ledger.note(ID, "LISTING#plan", lambda entry: entry.came_to("listed", facts))
    with pytest.raises(StepFailed, match="covers no company"):
        planning.finish_plan(world.context, world.command())
