import time
from dataclasses import fields
from datetime import timedelta

import pytest

from codat_hub.codat.errors import TryLater
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.usecases.context import (
    Command,
    Limits,
    StepContext,
    StepResult,
    call_key,
    companies_of,
    company_entry,
    finish_chunk,
    judge_phase,
    look_again,
    product_entry,
    resuming,
)
from codat_hub.webhooks.hub_address import HubAddress
from tests.support.migration.step_world import HOUR, ID, NOW


def limits(scale):
    return Limits(wait_scale=scale, calls_a_second=5, hub=HubAddress("https://hub.example", "api"))


class TestLimits:
    @pytest.mark.parametrize(
        ("scale", "seconds"), [(1, 3600), (0.5, 1800), (0.0001, 1), (0.001, 4)]
    )
    def test_a_wait_is_scaled_to_whole_seconds_and_never_none(self, scale, seconds):
        assert limits(scale).seconds(HOUR) == seconds

    @pytest.mark.parametrize("scale", [1, 0.5])
    def test_a_wait_is_over_at_its_end(self, scale):
        end = NOW + 14 * HOUR * scale
        assert limits(scale).over(NOW, 14 * HOUR, end)
        assert not limits(scale).over(NOW, 14 * HOUR, end - timedelta(seconds=1))


def test_a_posts_key_is_the_same_for_a_retry_and_another_for_another_epoch():
    keys = [call_key(Command(ID, epoch), what) for epoch in (1, 1, 2) for what in ("a", "b")]
    assert keys[:2] == keys[2:4]
    assert len(set(keys)) == 4
    assert call_key(Command("m-2", 1), "a") not in keys


def test_the_keys_of_running_migrations_stay_as_they_are():
    """An execution that a new version takes over repeats a POST with its old key."""
    key = call_key(Command("m-1", 1), "CLIENT")
    assert key == "f2d08a57-0f84-508a-a23a-3e67b3328717"
    assert company_entry("c") == "COMPANY#c"
    assert product_entry("c", "p") == "PRODUCT#c#p"


def test_a_step_on_a_chunk_needs_one(world):
    with pytest.raises(StepFailed, match="works on a chunk"):
        companies_of(world.context, world.command())


def test_a_run_without_a_ledger_fails_the_step(world):
    with pytest.raises(StepFailed, match="no ledger of migration m-nobody"):
        world.context.run(Command("m-nobody", 1))


def test_a_result_without_facts_goes_on_at_once(world):
    result = StepResult()
    assert (result.next, result.wait_seconds, result.listed) == ("done", 1, "companies")
    assert (result.manifest, result.listing, result.cause, result.epoch) == ("", "", "", 0)


def test_a_note_changes_the_entry_of_the_run(world):
    world.context.note(world.command(), "X", lambda entry: entry.came_to("y"))
    assert world.entry("X").outcome == "y"


def test_each_company_comes_with_its_entry(world):
    command = world.command(world.company("a", 6), "b")
    (first, known), (second, unknown) = companies_of(world.context, command)
    assert (first.company_id, second.company_id) == ("a", "b")
    assert known == world.entry(company_entry("a"))
    assert unknown == LedgerEntry()


def test_a_verdict_leaves_its_counts_in_the_run(world):
    command = world.command(world.company("a"))
    finish_chunk(world.context, command, "survey", Tally(1, done=3))
    verdict = judge_phase(world.context, command, "survey", "snapshot")
    assert (verdict.done, verdict.missing) == (3, 0)
    assert world.run.counted == {"survey snapshot": verdict.counts()}
    world.change(chunks={"snapshot": 2})
    assert judge_phase(world.context, command, "survey", "snapshot").missing == 1
    judge_phase(world.context, command, "survey", "other")
    assert set(world.run.counted) == {"survey snapshot", "survey other"}


def test_times_are_those_of_codats_documents():
    """Half a minute for a call, 14 hours for reads (docs/codat.md, C22)."""
    known = limits(1)
    assert known.call_timeout == timedelta(seconds=30)
    assert (known.quiet_for, known.reads_for) == (14 * HOUR, 14 * HOUR)
    assert (known.quiet_poll, known.reads_poll) == (HOUR / 4, HOUR / 4)


def test_the_clock_is_aware_and_a_pause_is_slept():
    clock, sleep = (
        field.default for field in fields(StepContext) if field.name in {"now", "sleep"}
    )
    assert clock().utcoffset() == timedelta(0)
    assert sleep is time.sleep


class TestLookAgain:
    def look(self, world, *answers, **command):
        looks = iter(answers)
        return look_again(
            world.context, world.command(**command), lambda: next(looks), lambda answer: answer > 1
        )

    def test_the_first_good_answer_counts(self, world):
        assert self.look(world, 0, 1, 2, 3) == 2
        assert world.now == NOW + timedelta(seconds=10)

    def test_after_a_minute_the_last_answer_counts(self, world):
        assert self.look(world, *[0] * 12, 1) == 1
        assert world.now == NOW + timedelta(minutes=1)

    def test_out_of_time_the_next_invocation_looks(self, world):
        with pytest.raises(TryLater):
            self.look(world, 0, more_time=lambda: False)
        assert self.look(world, 2, more_time=lambda: False) == 2


class TestResuming:
    def work(self, world, fails_at=None, **command):
        """Count each company; return which were left at the beginning."""
        world.company("a")
        world.company("b")
        with resuming(world.context, world.command("a", "b", **command), "survey") as progress:
            left = [member.company_id for member in progress.left]
            for company_id in left:
                if company_id == fails_at:
                    raise TryLater("away")
                progress.tally = progress.tally.did()
        return left

    def test_a_retry_goes_on_at_the_company_whose_call_failed(self, world):
        with pytest.raises(TryLater):
            self.work(world, "b")
        assert (world.tally("survey").done, world.tally("survey").finished) == (1, False)
        with pytest.raises(TryLater):
            self.work(world, "b")
        assert (world.tally("survey").done, world.tally("survey").finished) == (1, False)
        assert self.work(world) == ["b"]

    def test_another_epoch_begins_anew(self, world):
        with pytest.raises(TryLater):
            self.work(world, "b")
        assert self.work(world, epoch=2) == ["a", "b"]

    @pytest.mark.parametrize(("unsettled", "left"), [(("b",), ["b"]), ((), ["a", "b"])])
    def test_a_further_look_is_at_what_is_open(self, world, unsettled, left):
        """The version before did not name the companies that are open."""
        tally = Tally(1, finished=True, done=1, open=1, unsettled=unsettled)
        world.ledger.put_tally(ID, "survey", "snapshot-000000", tally)
        assert self.work(world) == left
