from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.errors import OutcomeUnknown, RateLimited, TryLater, Unauthorized
from codat_hub.errors import StepFailed
from codat_hub.migration.domain.run import MigrationStatus
from codat_hub.migration.usecases import stopping
from codat_hub.migration.usecases.context import StepResult
from codat_hub.migration.usecases.outages import (
    BAD_KEY,
    OUTAGE,
    PREFIX,
    bear,
    end_waits,
    needs_key,
    say,
    waits_for,
)
from tests.support.migration.step_world import HOUR, NOW

MINUTE = timedelta(minutes=1)
GIVEN_UP = {"call": "", "since": None, "tries": 0, "given_up": ["POST /a"]}


class Step:
    """A step that calls Codat for each company; `failing`: the failures, by company."""

    def __init__(self, world, *companies):
        self.world, self.command = world, world.command(*companies)
        self.failing, self.refused = {}, []

    def __call__(self, context, command):
        for company in self.failing or {"client": None}:
            try:
                context.codat.company(company)
            except StepFailed as refusal:
                if command.chunk is None:
                    raise
                self.refused.append(str(refusal))
        return StepResult()

    def fails(self, failure, call="GET /x", company="client"):
        failure.call = call
        self.failing[company] = failure
        self.world.codat.company = self._company

    def _company(self, company):
        if self.failing.get(company):
            raise self.failing[company]

    def run(self):
        return bear(self.world.context, self.command, "step", self)

    def run_until(self, limit):
        """Repeat the step as the state machine does, until it ends or for `limit`."""
        end = self.world.now + limit
        while self.world.now < end:
            result = self.run()
            if result.next != "again":
                return result
            self.world.now += timedelta(seconds=result.wait_seconds)
        return None


@pytest.fixture
def step(world):
    return Step(world)


@pytest.mark.parametrize("call", ["GET /x", None])  # None: the API key could not be read
@pytest.mark.parametrize("failure", [TryLater("503"), OutcomeUnknown("cut")])
def test_an_outage_is_borne_for_more_than_an_hour_and_then_fails_the_step(
    world, step, failure, call
):
    step.fails(failure, call)
    begin = world.now
    with pytest.raises(StepFailed, match="given up"):
        step.run_until(24 * HOUR)
    assert OUTAGE <= world.now - begin < OUTAGE + 6 * MINUTE


def test_a_step_that_failed_is_borne_anew(world, step):
    step.fails(TryLater("503"))
    with pytest.raises(StepFailed):
        step.run_until(24 * HOUR)
    assert step.run_until(HOUR) is None


def test_a_refused_key_is_waited_for_20_hours(world, step):
    step.fails(Unauthorized("401"))
    begin = world.now
    with pytest.raises(StepFailed):
        step.run_until(48 * HOUR)
    assert world.now - begin >= BAD_KEY


def test_the_time_begins_anew_with_each_call_that_fails(world, step):
    for number in range(5):
        step.fails(TryLater("503"), call=f"GET /{number}")
        assert step.run_until(HOUR) is None


def test_the_pauses_grow_to_five_minutes(step):
    step.fails(TryLater("503"))
    pauses = [step.run().wait_seconds for _ in range(10)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_one_company_is_given_up_within_the_tolerance_and_the_others_go_on(world):
    world.change(request=world.run.request.__class__(("lending",), tolerated_failures=1))
    step = Step(world, "a", "b")
    step.fails(TryLater("500"), call="POST /a", company="a")
    assert step.run_until(24 * HOUR).next == "done"
    assert step.refused == ["given up: POST /a | 500"]


def test_a_call_that_was_given_up_is_refused_wherever_it_fails_again(world):
    world.change(request=world.run.request.__class__(("lending",), tolerated_failures=1))
    failure = TryLater("500", call="POST /a")

    def act(_context, _command):
        raise failure

    step = Step(world, "a", "b")
    step.run = lambda: bear(world.context, step.command, "step", act)
    with pytest.raises(StepFailed, match="given up: POST /a"):
        step.run_until(24 * HOUR)


def test_a_chunk_fails_beyond_the_tolerance(world):
    step = Step(world, "a", "b")
    step.fails(TryLater("500"), call="POST /a", company="a")
    with pytest.raises(StepFailed, match=r"given up: POST /a \| 500"):
        step.run_until(24 * HOUR)
    assert stopping.is_stopped(world.context, step.command, "step")
    assert waits_for(world.ledger, world.run) is None


def test_a_key_that_stays_refused_fails_a_chunk_whatever_is_tolerated(world):
    world.change(request=world.run.request.__class__(("lending",), tolerated_failures=9))
    step = Step(world, "a")
    step.fails(Unauthorized("401"))
    begin = world.now
    with pytest.raises(StepFailed, match="given up: "):
        step.run_until(48 * HOUR)
    assert BAD_KEY <= world.now - begin < BAD_KEY + 6 * MINUTE


def test_once_one_call_was_given_up_another_has_ten_minutes(world):
    world.change(request=world.run.request.__class__(("lending",), tolerated_failures=2))
    step = Step(world, "a", "b")
    step.fails(TryLater("500"), call="POST /a", company="a")
    assert step.run_until(24 * HOUR).next == "done"
    step.fails(TryLater("500"), call="POST /b", company="b")
    step.failing["a"].call = "POST /a"
    name, begin = f"{PREFIX}step#1#snapshot-000000", world.now
    world.ledger.note(world.run.migration_id, name, lambda entry: replace(entry, detail=GIVEN_UP))
    assert step.run_until(24 * HOUR).next == "done"
    assert 10 * MINUTE <= world.now - begin < 20 * MINUTE


def test_a_chunk_that_fails_forgets_its_outage_and_keeps_what_was_given_up(world):
    command, name = world.command("a"), f"{PREFIX}step#1#snapshot-000000"
    world.ledger.note(world.run.migration_id, name, lambda entry: replace(entry, detail=GIVEN_UP))

    def act(_context, _command):
        raise StepFailed("refused")

    with pytest.raises(StepFailed, match="refused"):
        bear(world.context, command, "step", act)
    assert world.entry(name).detail == GIVEN_UP
    detail = {**GIVEN_UP, "call": "GET /x", "since": NOW.isoformat(), "tries": 3}
    world.ledger.note(world.run.migration_id, name, lambda entry: replace(entry, detail=detail))
    with pytest.raises(StepFailed, match="refused"):
        bear(world.context, command, "step", act)
    assert world.entry(name).detail == GIVEN_UP


def test_all_waits_of_a_run_can_be_ended(world):
    say(world.context, world.command(), "step", "Codat, since noon")
    end_waits(world.context, world.command())
    assert waits_for(world.ledger, world.run) is None


def test_limits_are_those_of_the_documents():
    assert (OUTAGE, BAD_KEY) == (75 * MINUTE, 20 * HOUR)


def test_in_an_undo_five_companies_are_given_up_at_least(world):
    world.change(status=MigrationStatus.ROLLING_BACK)
    step = Step(world, *"abcdef")
    for company in "abcde":
        step.fails(TryLater("500"), call=f"POST /{company}", company=company)
    assert step.run_until(24 * HOUR).next == "done"
    assert len(set(step.refused)) == 5


class TestWhatTheRunWaitsFor:
    def test_is_said_until_the_step_goes_on(self, world, step):
        step.fails(TryLater("The API is down", status=503))
        step.run()
        assert waits_for(world.ledger, world.run) == (
            "Codat, since 22 November 10:15 UTC: GET /x | HTTP 503 | The API is down"
        )
        step.failing.clear()
        step.run()
        assert waits_for(world.ledger, world.run) is None

    def test_names_the_command_for_a_refused_key(self, world, step):
        step.fails(Unauthorized("401"))
        step.run()
        assert "tools/hub secrets set-api-key" in waits_for(world.ledger, world.run)
        assert needs_key(world.ledger, world.run)
        step.fails(TryLater("503"))
        step.run()
        assert not needs_key(world.ledger, world.run)

    def test_is_the_longest_quota_if_codat_names_no_time(self, world, step):
        step.fails(RateLimited("no", status=429))
        assert step.run().wait_seconds == 25 * 3600 + 1
        assert "until 23 November 11:15 UTC" in waits_for(world.ledger, world.run)

    @pytest.mark.parametrize(
        ("status", "text"),
        [
            (429, "Codat's quota, until 22 November 10:16 UTC: GET /x | HTTP 429 | no"),
            (None, "room among the hub's other calls of Codat, until 22 November 10:16 UTC"),
        ],
    )
    def test_tells_codats_quota_from_the_budget_of_the_hub(self, world, step, status, text):
        step.fails(RateLimited("no", status=status, retry_after=MINUTE))
        answer = step.run()
        assert (answer.next, answer.wait_seconds) == ("again", 61)
        assert waits_for(world.ledger, world.run) == text

    def test_is_nothing_once_the_run_has_ended(self, world, step):
        step.fails(TryLater("503"))
        step.run()
        world.change(status=MigrationStatus.FAILED)
        assert waits_for(world.ledger, world.run) is None
