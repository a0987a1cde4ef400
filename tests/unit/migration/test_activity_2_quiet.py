from dataclasses import replace
from unittest import mock

import pytest

from codat_hub.codat.errors import Permanent, TryLater
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.run import Activity, MigrationRequest, Stragglers
from codat_hub.migration.steps import activity_2_quiet as activity_2
from tests.support.migration.step_world import HOUR, ID, NOW, StepWorld


@pytest.fixture
def world():
    world = StepWorld()
    world.change(disabled_at=NOW)
    return world


def look(world, *company_ids):
    return activity_2.apply_chunk(world.context, world.command(*company_ids))


def judge(world):
    return activity_2.judge(world.context, world.command())


def test_the_activity_is_recorded(world):
    activity_2.begin(world.context, world.command())
    assert world.run.reached is Activity.WAIT_FOR_QUIET


def test_it_goes_on_once_no_linked_company_has_a_running_read(world):
    busy = world.company("busy")
    world.company("unlinked", linked=False)
    world.codat.running = {busy: 2, "unlinked": 1}
    look(world, busy, "unlinked")
    assert world.tally(activity_2.PHASE).reasons == ("busy: 2 reads are still running",)
    again = judge(world)
    assert (again.next, again.wait_seconds) == ("again", 900)
    world.codat.running = {}
    look(world, busy, "unlinked")
    assert judge(world).next == "done"
    assert world.run.notes == ()


def test_a_chunk_that_was_quiet_is_not_looked_at_again(world):
    company = world.company("a")
    look(world, company)
    world.codat.running = {company: 1}
    assert look(world, company).next == "done"
    assert judge(world).next == "done"


def test_a_look_under_another_epoch_does_not_count(world):
    company = world.company("a")
    look(world, company)
    world.codat.running = {company: 1}
    activity_2.apply_chunk(world.context, world.command(company, epoch=2))
    assert world.tally(activity_2.PHASE).open == 1


@pytest.mark.parametrize(
    ("stragglers", "answer"), [(Stragglers.GO_ON, "done"), (Stragglers.ASK, "ask")]
)
def test_at_the_limit_the_stragglers_are_noted(world, stragglers, answer):
    company = world.company("a")
    world.change(request=MigrationRequest(("lending",), stragglers=stragglers))
    world.codat.running = {company: 1}
    look(world, company)
    world.now = NOW + 14 * HOUR - HOUR / 60
    assert judge(world).next == "again"
    world.now = NOW + 14 * HOUR
    assert judge(world).next == answer
    assert world.run.notes == ("not quiet after the limit: a: 1 reads are still running",)
    assert judge(world).next == "done"  # a person has approved


def test_a_chunk_that_is_missing_fails_the_step(world):
    with pytest.raises(StepFailed, match="chunks were not finished"):
        judge(world)


def test_it_needs_the_time_at_which_the_schedules_were_switched_off(world):
    world.change(disabled_at=None)
    with pytest.raises(StepFailed, match="when the schedules were switched off"):
        look(world, world.company("a"))


def test_a_further_look_asks_only_for_the_companies_that_were_open(world):
    companies = [world.company(name) for name in "abc"]
    world.codat.running = {"b": 1}
    asked, running_reads = [], world.codat.running_reads
    world.codat.running_reads = lambda company, before: (
        asked.append(company) or running_reads(company, before)
    )
    look(world, *companies)
    look(world, *companies)
    tally = world.tally(activity_2.PHASE)
    assert asked == ["a", "b", "c", "b"]
    assert (tally.done, tally.open, tally.reasons) == (2, 1, ("b: 1 reads are still running",))
    world.codat.running = {}
    look(world, *companies)
    tally = world.tally(activity_2.PHASE)
    assert (tally.done, tally.open, tally.reasons) == (3, 0, ())


def test_only_reads_that_began_before_the_schedules_went_off_are_old(world):
    seen = []
    world.codat.running_reads = lambda _company, before: seen.append(before) or 0
    world.now = NOW + HOUR
    look(world, world.company("a"))
    assert seen == [NOW]


def test_out_of_time_the_next_look_goes_on_with_the_companies_that_are_left(world):
    companies, times = [world.company(name) for name in "abc"], iter([True, False])
    asked = []
    world.codat.running_reads = lambda company, _before: asked.append(company) or 0
    command = world.command(*companies, more_time=lambda: next(times))
    assert activity_2.apply_chunk(world.context, command).next == "again"
    assert world.tally(activity_2.PHASE).done == 1
    assert look(world, *companies).next == "done"
    assert asked == ["a", "b", "c"]
    assert world.tally(activity_2.PHASE).done == 3


def test_open_companies_that_the_version_before_did_not_name_are_looked_at_with_the_others(world):
    companies = [world.company(name) for name in "ab"]
    world.codat.running = {"b": 1}
    look(world, *companies)
    before = replace(world.tally(activity_2.PHASE), unsettled=())
    world.ledger.put_tally(ID, activity_2.PHASE, "snapshot-000000", before)
    world.codat.running = {}
    look(world, *companies)
    assert (world.tally(activity_2.PHASE).done, world.tally(activity_2.PHASE).open) == (2, 0)


@pytest.mark.parametrize("tolerated", [0, 1])
def test_a_look_that_is_refused_is_a_failure_that_may_be_tolerated(world, tolerated):
    world.change(request=MigrationRequest(("lending",), tolerated_failures=tolerated))
    world.codat.running_reads = mock.Mock(side_effect=Permanent("refused"))
    look(world, world.company("a"))
    text = "looking for quiet: 1 of 1 failed: a: nobody knows whether it is quiet: refused"
    if tolerated:
        assert judge(world).next == "done"
        assert world.run.notes == (text,)
    else:
        with pytest.raises(StepFailed, match=text):
            judge(world)


def test_a_look_that_fails_leaves_its_company_open_and_looks_at_the_others(world):
    companies = [world.company(name) for name in "abc"]
    asked, fails = [], set(companies)

    def running_reads(company, before):
        asked.append(company)
        if company in fails:
            fails.remove(company)
            raise TryLater("503")
        return 0

    world.codat.running_reads = running_reads
    look(world, *companies)
    assert world.tally(activity_2.PHASE).open == 3
    look(world, *companies)
    assert asked == ["a", "b", "c"] * 2
    assert (world.tally(activity_2.PHASE).done, world.tally(activity_2.PHASE).finished) == (3, True)
