from dataclasses import replace
from unittest import mock

import pytest

from codat_hub.codat.errors import Forbidden
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.run import MigrationStatus, Pause, WaitingFor
from codat_hub.migration.steps import activity_5_products, verify_reads
from codat_hub.migration.usecases.listing import LATE_UNCHECKED
from codat_hub.product_events.domain.read_event import ReadId, ReadKey
from codat_hub.product_events.domain.read_state import KeyState, ReadState
from tests.support.migration.fakes import settings
from tests.support.migration.step_world import HOUR, ID, NOW, StepWorld


def added(world, *company_ids):
    activity_5_products.apply_chunk(world.context, world.command(*company_ids))


def look(world, *company_ids):
    verify_reads.apply_chunk(world.context, world.command(*company_ids, listing="undo"))
    return world.tally(verify_reads.PHASE, "undo")


def judge(world):
    return verify_reads.judge_reads(world.context, world.command())


def read(at, status="Complete"):
    key = KeyState(status, ReadId(at, "f"))
    return ReadState(keys={ReadKey("invoices", "connection"): key}, last_read_at=at)


class TestLook:
    def test_a_read_counts_from_the_time_at_which_the_product_was_added(self, world):
        added(world, world.company("a"))
        world.read_states.known["a", "lending"] = read(NOW - HOUR)
        assert look(world, "a").reasons == ("a: no read of lending yet",)
        world.read_states.known["a", "lending"] = read(NOW)
        assert (look(world, "a").done, look(world, "a").open) == (1, 0)

    def test_a_standard_product_is_read_by_plain_reads(self):
        world = StepWorld(products=("banking",))
        world.company("a")
        world.consent("a", "banking")
        added(world, "a")
        world.read_states.known["a", None] = read(NOW)
        assert look(world, "a").done == 1

    def test_a_read_that_failed_is_named_and_not_waited_for(self, world):
        added(world, world.company("a"))
        world.read_states.known["a", "lending"] = read(NOW, status="FetchError")
        tally = look(world, "a")
        assert (tally.skipped, tally.open) == (1, 0)
        assert tally.reasons == ("a: the first read of lending failed for invoices",)

    @pytest.mark.parametrize("facts", [{"linked": False}, {"consent": False}])
    def test_no_read_is_awaited_of_an_unlinked_company_or_without_the_product(self, world, facts):
        added(world, world.company("a", **facts))
        assert (look(world, "a").skipped, look(world, "a").open) == (1, 0)

    def test_a_company_that_linked_before_the_snapshot_is_waited_for(self, world):
        world.company("a", linked=True)
        added(world, "a")
        world.codat.companies["a"] = type(world.codat.companies["a"])("a", False, (), {})
        assert look(world, "a").open == 1


class TestJudge:
    def test_it_waits_until_every_read_came_or_the_limit(self, world):
        world.change(reads_from=NOW)
        added(world, world.company("a"))
        look(world, "a")
        assert (judge(world).next, judge(world).wait_seconds) == ("again", 900)
        world.now = NOW + 14 * HOUR
        assert judge(world).next == "done"
        assert world.run.notes == ("first reads: 0 came, 1 did not; a: no read of lending yet",)

    def test_when_all_came_there_is_nothing_to_note(self, world):
        world.change(reads_from=NOW)
        added(world, world.company("a"))
        world.read_states.known["a", "lending"] = read(NOW)
        look(world, "a")
        assert judge(world).next == "done"
        assert world.run.notes == ()

    def test_a_chunk_that_is_missing_is_waited_for_as_well(self, world):
        world.change(reads_from=NOW)
        assert judge(world).next == "again"
        world.now = NOW + 14 * HOUR
        assert judge(world).next == "done"


def test_the_reads_that_did_not_come_are_those_of_the_last_look(world):
    assert verify_reads.missing_reads(world.context, world.command()) == []
    added(world, world.company("a"))
    look(world, "a")
    assert verify_reads.missing_reads(world.context, world.command()) == [
        "first reads: 0 came, 1 did not; a: no read of lending yet"
    ]


class TestBegin:
    @pytest.fixture
    def world(self, world):
        for listing in ("snapshot", "late-1"):
            chunk = {"name": f"{listing}-000000", "members": []}
            world.manifests.put(f"{ID}/{listing}.json", [chunk])
        world.change(chunks={"plan": 1, "snapshot": 1, "late-1": 1, "late-2": 0})
        return world

    def test_it_works_on_all_chunks_of_the_run(self, world):
        begun = verify_reads.begin(world.context, world.command(epoch=3))
        assert (begun.listing, begun.epoch) == ("undo", 3)
        names = [chunk["name"] for chunk in world.manifests.get(begun.manifest)]
        assert names == ["undo-snapshot-000000", "undo-late-1-000000"]
        assert (world.run.step, world.run.chunks["undo"]) == ("verify_reads", 2)

    def test_a_wait_for_a_person_is_over(self, world):
        world.change(pause=Pause(WaitingFor.APPROVAL, NOW, "token"))
        verify_reads.begin(world.context, world.command())
        assert (world.run.pause, world.run.step) == (None, verify_reads.PHASE)

    def test_the_time_for_reads_begins_once(self, world):
        verify_reads.begin(world.context, world.command())
        world.now += HOUR
        verify_reads.begin(world.context, world.command())
        assert world.run.reads_from == NOW

    @pytest.mark.parametrize(
        ("tally", "notes"),
        [
            (Tally(1).did(), 0),
            (Tally(1).fail("x: refused"), 1),
            (Tally(1).skip("x: no consent to lending"), 1),
        ],
    )
    def test_late_companies_without_a_product_are_noted(self, world, tally, notes):
        tally = replace(tally, finished=True)
        world.ledger.put_tally(ID, activity_5_products.PHASE, "late-1-000000", tally)
        verify_reads.begin(world.context, world.command())
        assert len(world.run.notes) == notes
        assert all(note.startswith("companies that came late: ") for note in world.run.notes)

    @pytest.mark.parametrize(
        ("late", "everyone", "noted"),
        [
            ({}, True, True),  # the list could not be read
            ({"late-1": 1}, True, True),  # nobody looked again
            ({"late-1": 1, "late-2": 0}, True, False),
            ({}, False, False),  # the client's level reads them
            ({f"late-{number}": 1 for number in range(1, 6)}, True, False),
        ],
    )
    def test_a_run_that_did_not_look_for_late_companies_says_so(self, world, late, everyone, noted):
        world.change(chunks={"snapshot": 1, **late}, everyone=everyone)
        verify_reads.begin(world.context, world.command())
        assert any(LATE_UNCHECKED in note for note in world.run.notes) is noted


@pytest.mark.parametrize("status", [s for s in MigrationStatus if s.given_up])
def test_a_run_that_rolls_back_is_not_called_complete(world, status):
    world.change(status=status)
    verify_reads.complete(world.context, world.command())
    assert world.run.status is status


def test_the_end_is_recorded_once(world):
    world.save_client()
    for _ in range(2):
        verify_reads.complete(world.context, world.command())
        world.now += HOUR
    assert (world.run.status, world.run.ended_at) == (MigrationStatus.COMPLETE, NOW)


class TestLookAtTheEnd:
    @pytest.fixture
    def ended(self, world):
        world.save_client()
        return world

    def test_what_others_changed_is_noted_and_left(self, ended):
        ended.codat.client = settings(12, 0)
        verify_reads.complete(ended.context, ended.command())
        (note,) = ended.run.notes
        assert note.startswith("changed by others during the run, and left: the client's settings")
        assert ended.codat.changes == []

    def test_a_refusal_is_noted_and_the_run_ends(self, ended):
        ended.codat.client_settings = mock.Mock(side_effect=Forbidden("no such plan"))
        verify_reads.complete(ended.context, ended.command())
        note = "settings and consumers could not be looked at before the end: no such plan"
        assert (ended.run.notes, ended.run.status) == ((note,), MigrationStatus.COMPLETE)

    def test_a_consumer_that_is_made_again_needs_its_secret(self, ended):
        url = f"https://hub.example/webhooks/codat/lending?migration={ID}"
        facts = {"name": "product-lending", "url": url, "event_types": ("a.b",), "tags": ()}
        ended.change(plan={"wanted": [{**facts, "hub_consumer": "lending"}]})
        verify_reads.complete(ended.context, ended.command())
        assert [hook.url for hook in ended.codat.hooks] == [url]
        assert ended.run.notes[-1].endswith("then run tools/hub secrets add lending")
