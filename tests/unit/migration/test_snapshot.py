from dataclasses import replace
from unittest import mock

import pytest

from codat_hub.codat.errors import Permanent, WrongClient
from codat_hub.errors import StepFailed
from codat_hub.migration.steps import left_over, snapshot
from codat_hub.migration.usecases.context import CLIENT, company_entry
from tests.support.migration.fakes import settings
from tests.support.migration.planned import OLD, listed, planned
from tests.support.migration.step_world import ID


def snapshotted(world):
    """Plan, approve and take the snapshot, as far as its comparison."""
    planned(world)
    world.change(approved_hash=world.run.plan_hash)
    snapshot.snapshot(world.context, world.command())
    listing = world.run.listing
    ids = listed(world, listing)
    snapshot.snapshot_companies(world.context, world.command(*ids, listing=listing))


def compare(world):
    return snapshot.compare_snapshot(world.context, world.command()).next


def test_the_client_is_checked_before_the_snapshot(world):
    world.wrong_client = WrongClient("another client")
    with pytest.raises(WrongClient):
        snapshot.snapshot(world.context, world.command())


def test_the_companies_are_listed_again_under_the_approved_plan(world):
    world.company("a", 6, late=True)
    world.change(approved_hash="0123456789")
    begun = snapshot.snapshot(world.context, world.command())
    assert (begun.next, begun.listing) == ("done", "snapshot-01234567")
    assert begun.manifest == f"{ID}/snapshot-01234567.json"
    assert (world.run.step, world.run.listing) == ("snapshot", begun.listing)


def test_what_is_there_is_saved_once(world):
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


def test_a_company_that_is_saved_is_not_asked_for_again(world):
    world.company("a", 6, late=True)
    snapshotted(world)
    world.codat.company_settings = world.codat.client_settings = None
    snapshotted_again = snapshot.snapshot_companies(world.context, world.command("a"))
    assert snapshotted_again.next == "done"
    assert world.tally("snapshot").survey.overriding == ("a",)


def test_a_company_that_cannot_be_saved_is_named(world):
    world.company("a", 6, late=True)
    world.codat.company_settings = mock.Mock(side_effect=Permanent("refused"))
    snapshot.snapshot_companies(world.context, world.command("a"))
    (item,) = left_over.left(world.ledger, world.run).values()
    assert (item.before["company_id"], item.detail["error"]) == ("a", "refused")
    assert world.tally("snapshot").reasons[0].startswith("a: its settings are as before")


def test_a_chunk_that_is_missing_fails_the_comparison(world):
    world.company("a", 6, late=True)
    snapshotted(world)
    world.change(chunks={world.run.listing: 2})
    with pytest.raises(StepFailed, match=r"^snapshot: .*, 1 of 2 chunks were not finished"):
        compare(world)


def test_as_approved_the_run_goes_on(world):
    world.company("a", 6, late=True)
    snapshotted(world)
    assert compare(world) == "done"
    assert world.run.notes == ()


@pytest.mark.parametrize("change", ["client", "company", "products", "many", "consumers"])
def test_anything_else_asks_again(world, change):
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
    snapshot.snapshot(world.context, world.command())
    listing = world.run.listing
    ids = listed(world, listing)
    snapshot.snapshot_companies(world.context, world.command(*ids, listing=listing))
    assert compare(world) == "differs"
    assert world.run.plan_hash != world.run.approved_hash
    assert "asks again for approval" in world.run.notes[0]
    shown = {"many": "12 companies, and the approval covers 11", "company": "of a:"}
    assert shown.get(change, ": ") in world.run.notes[0]


def test_companies_within_the_ceiling_are_covered_and_named(world):
    world.company("a", 6, late=True)
    planned(world)
    world.change(approved_hash=world.run.plan_hash)
    for number in range(10):
        world.company(f"b{number}", late=True, consent=number == 0)
    snapshot.snapshot(world.context, world.command())
    listing = world.run.listing
    ids = listed(world, listing)
    snapshot.snapshot_companies(world.context, world.command(*ids, listing=listing))
    assert compare(world) == "done"
    (note,) = world.run.notes
    assert "b0 (its own settings, consent to lending), b1 (its own settings" in note
    assert "b9 (its own settings, consent to nothing)" in note


def take(world):
    """Take the snapshot of all companies, and compare it."""
    snapshot.snapshot(world.context, world.command())
    listing = world.run.listing
    ids = listed(world, listing)
    snapshot.snapshot_companies(world.context, world.command(*ids, listing=listing))
    return compare(world)


def approve(world):
    planned(world)
    world.change(approved_hash=world.run.plan_hash)


@pytest.mark.parametrize(("changed", "more"), [(20, "c19:"), (21, "c19 and 1 more:")])
def test_twenty_companies_that_differ_are_named(world, changed, more):
    for number in range(changed):
        world.company(f"c{number:02}", 6, late=True)
    approve(world)
    for number in range(changed):
        world.codat.levels[f"c{number:02}"] = settings(12)
    assert take(world) == "differs"
    assert f"c18, {more}" in world.run.notes[0]


@pytest.mark.parametrize(("late", "end"), [(20, "nothing)"), (21, "nothing), 1 more")])
def test_twenty_late_companies_are_described(world, late, end):
    for number in range(421):
        world.company(f"a{number}", 6, late=True, consent=False)
    approve(world)
    for number in range(late):
        world.company(f"b{number:02}", 6, late=True, counts=number > 0, consent=False)
    world.consent("b00", revoked=True)
    assert take(world) == "done"
    (note,) = world.run.notes
    assert "b00 (the client's settings, consent to nothing), b01 (its own settings, " in note
    assert note.endswith(end)


def test_a_plan_of_another_version_is_to_be_approved_again(world):
    world.company("a", 6, late=True)
    approve(world)
    key = f"{ID}/plans/{world.run.approved_hash}.json"
    plan = world.manifests.get(key)
    del plan["facts"]
    world.manifests.put(key, plan)
    world.codat.client = settings(12, 0)
    assert take(world) == "differs"
    (note,) = world.run.notes
    assert note.startswith("the snapshot differs from the approved plan: it was approved under")


def test_a_plan_that_was_approved_again_is_compared_with_its_own_snapshot(world):
    world.company("a", 6, late=True)
    approve(world)
    world.codat.client = settings(12, 0)
    assert take(world) == "differs"
    world.change(approved_hash=world.run.plan_hash, notes=())
    world.company("b", 6, late=True)
    assert take(world) == "done"
    (note,) = world.run.notes
    assert note.startswith("came since the approval, which covers them: b (its own settings")


def test_a_company_that_is_deleted_before_the_snapshot_is_skipped_with_a_reason(world):
    world.company("a", 6, late=True)
    command = world.command("a", "gone")
    assert snapshot.snapshot_companies(world.context, command).next == "done"
    tally = world.tally("snapshot")
    assert (tally.done, tally.skipped) == (1, 1)
    assert tally.reasons == ("gone was deleted meanwhile",)
    assert world.entry(company_entry("gone")).before is None


def test_a_snapshot_that_leaves_no_room_for_consumers_is_refused(world):
    world.company("a", 6, late=True)
    approve(world)
    world.codat.hooks = [replace(OLD, consumer_id=str(n)) for n in range(50)]
    with pytest.raises(StepFailed, match=r"^refused: Codat allows 50 webhook consumers"):
        take(world)


def test_out_of_time_the_next_call_goes_on(world):
    world.company("a", 6, late=True)
    command = world.command("a", more_time=lambda: False)
    assert snapshot.snapshot_companies(world.context, command).next == "again"
    assert world.entry(company_entry("a")).before is None
