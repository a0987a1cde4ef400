from dataclasses import replace
from datetime import timedelta

import pytest

from codat_hub.codat.errors import Unauthorized
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationStatus, Mode, Pause, WaitingFor
from codat_hub.migration.steps import activity_3_old_webhooks as activity_3
from codat_hub.migration.steps import left_over
from codat_hub.migration.steps.left_over import Attempts
from codat_hub.migration.usecases.context import StepResult
from codat_hub.migration.usecases.listing import LATE_UNCHECKED
from codat_hub.migration.usecases.needs import needs
from codat_hub.migration.usecases.outages import bear
from tests.support.migration.step_world import HOUR, HUB_URL, ID, NOW

ELSEWHERE = "https://old.example/hook?code=hunter2"


def needed(world):
    """Return what is needed, by command."""
    found = needs(world.ledger, world.run, {}, world.now)
    return {need["command"].removeprefix("tools/hub "): need["what"] for need in found}


def texts(world):
    return " ".join(need["what"] for need in needs(world.ledger, world.run, {}, world.now))


def created(world, name, url, hub_consumer=None, consumer_id="new"):
    facts = {"name": name, "url": url, "hub_consumer": hub_consumer}
    entry = LedgerEntry(facts).intend(1)
    if consumer_id:
        entry = entry.came_to("created", {**facts, "consumer_id": consumer_id})
    world.ledger.first(ID, f"NEW_CONSUMER#{name}", entry)


def made_again(world, url, consumer_id="old"):
    entry = LedgerEntry({"consumer_id": consumer_id, "url": url}).intend(1).came_to("off")
    entry = entry.undo(activity_3.MADE_AGAIN, "again")
    world.ledger.first(ID, f"OLD_CONSUMER#{consumer_id}", entry)


def test_a_run_that_goes_on_needs_nothing(world):
    world.change(gap_from=NOW)
    assert needed(world) == {}


def test_a_wait_for_a_person_comes_first(world):
    world.change(pause=Pause(WaitingFor.APPROVAL, NOW, "token", ("Read it.", "Approve it.")))
    assert needed(world) == {f"migrations approve {ID}": "Read it. Approve it."}


def test_a_refused_key_has_to_be_replaced_until_it_is(world):
    def refused(_context, _command):
        raise Unauthorized("no", call="GET /x")

    bear(world.context, world.command(), "step", refused)
    assert "secrets set-api-key" in needed(world)
    bear(world.context, world.command(), "step", lambda *_: StepResult())
    assert needed(world) == {}


@pytest.mark.parametrize("status", [MigrationStatus.COMPLETE, MigrationStatus.ROLLED_BACK])
def test_the_gap_is_to_be_replayed_for_two_weeks(world, status):
    world.change(status=status, gap_from=NOW, gap_to=NOW + HOUR, ended_at=NOW + 3 * HOUR)
    until = "11:15" if status is MigrationStatus.COMPLETE else "13:15"
    (what,) = needed(world).values()
    assert f"from 22 November 10:15 UTC to 22 November {until} UTC" in what
    assert "by 06 December 10:15 UTC" in what
    world.now = NOW + timedelta(days=14)
    assert needed(world) == {}


class TestNewConsumers:
    @pytest.fixture(params=[Mode.API, Mode.PORTAL])
    def world(self, world, request):
        world.change(
            request=replace(world.run.request, mode=request.param), status=MigrationStatus.COMPLETE
        )
        return world

    def test_a_successor_elsewhere_needs_its_secret_and_in_api_mode_its_headers(self, world):
        created(world, "successor-7", ELSEWHERE)
        what = texts(world)
        assert "Give the signing secret of consumer new (https://old.example/hook" in what
        assert "hunter2" not in what
        lost = "Custom headers and mTLS of consumer 7" in what and "on consumer new (" in what
        assert lost is (world.run.request.mode is Mode.API)

    def test_one_at_the_hub_needs_a_secret_that_is_not_stored(self, world):
        created(world, "product-lending", f"{HUB_URL}/lending", "lending")
        assert list(needed(world)) == ["secrets add lending"]
        world.ledger.first(ID, "SECRET#new", LedgerEntry().came_to("stored"))
        assert needed(world) == {}

    def test_one_that_is_not_made_yet_needs_nothing(self, world):
        created(world, "successor-7", ELSEWHERE, consumer_id=None)
        assert needed(world) == {}

    def test_once_it_is_undone_nothing_is_needed_for_it(self, world):
        created(world, "successor-7", ELSEWHERE)
        world.change(status=MigrationStatus.ROLLING_BACK)
        assert needed(world) == {}


class TestConsumersMadeAgain:
    @pytest.fixture
    def world(self, world):
        created(world, "product-lending", f"{HUB_URL}/lending?migration={ID}", "lending")
        world.change(status=MigrationStatus.ROLLED_BACK)
        return world

    def test_one_elsewhere_has_another_secret_and_no_headers(self, world):
        made_again(world, ELSEWHERE)
        what = texts(world)
        assert "Give the signing secret of consumer again" in what
        assert "Custom headers and mTLS of consumer old" in what
        assert "on consumer again" in what

    def test_one_at_the_hub_is_refused_until_the_hub_has_its_secret(self, world):
        made_again(world, f"{HUB_URL}/reads")
        assert "secrets add reads" in needed(world)


def test_companies_that_nobody_looked_for_are_to_be_migrated_as_well(world):
    world.change(status=MigrationStatus.COMPLETE, notes=(f"cut short; {LATE_UNCHECKED}",))
    assert list(needed(world)) == ["migrations start --product lending"]


class TestStops:
    def needs(self, world, **run):
        world.change(**run)
        left = left_over.left(world.ledger, world.run)
        return [
            (need["what"], need["command"])
            for need in needs(world.ledger, world.run, left, world.now)
        ]

    def leave(self, world, *items, rounds=1, forward=False):
        begin = Attempts.forward if forward else Attempts.back
        ids = dict.fromkeys(item.company_id for item in items if item.company_id)
        for number in range(rounds):
            world.change(attempts=number)
            attempts = begin(world.context, world.command(*ids), world.run, "x")
            for item in items:
                attempts.leave(item, "refused")

    @pytest.mark.parametrize(
        ("waiting_for", "command"),
        [
            (WaitingFor.APPROVAL, f"approve {ID}"),
            (WaitingFor.WEBHOOKS_DISABLED, f"confirm-webhooks-disabled {ID}"),
            (WaitingFor.SIGNING_SECRET, f"confirm-secret {ID} CONSUMER"),
            (WaitingFor.WEBHOOKS_RESTORED, f"confirm-webhooks-restored {ID}"),
            (WaitingFor.PRODUCTS_KEPT, f"approve {ID}"),
        ],
    )
    def test_a_stop_needs_its_answer(self, world, waiting_for, command):
        pause = Pause(waiting_for, NOW, "token", ("Look.", "Then answer."))
        command = f"tools/hub migrations {command}"
        assert self.needs(world, pause=pause) == [("Look. Then answer.", command)]
        bare = replace(pause, instructions=())
        assert self.needs(world, pause=bare) == [(f"Answer: {waiting_for.value}.", command)]

    def test_nothing_is_needed_while_it_runs_and_when_all_is_well(self, world):
        for status in (MigrationStatus.RUNNING, MigrationStatus.COMPLETE):
            assert self.needs(world, status=status) == []

    def test_an_incomplete_rollback_is_repeated_before_anything_is_settled(self, world):
        self.leave(world, left_over.kept("a", "lending"), left_over.not_restored("a"))
        again = (
            "Correct the cause; then try again what is left (2 items).",
            f"tools/hub migrations rollback {ID}",
        )
        incomplete = {"status": MigrationStatus.ROLLBACK_INCOMPLETE}
        assert self.needs(world, **incomplete) == [again]
        items = (left_over.kept("a", "lending"), left_over.not_restored("a"))
        self.leave(world, *items, left_over.client_not_restored(), rounds=2)
        first, *settle = self.needs(world, **incomplete)
        assert first[0].endswith("(3 items).")
        assert sorted(settle) == [
            (
                "Or leave as it is: lending of a.",
                f"tools/hub migrations settle {ID} a --product lending --reason REASON",
            ),
            (
                "Or leave as it is: the client's settings.",
                f"tools/hub migrations settle {ID} --client-settings --reason REASON",
            ),
            (
                "Or leave as it is: the settings of a.",
                f"tools/hub migrations settle {ID} a --reason REASON",
            ),
        ]

    def test_at_most_ten_are_named(self, world):
        self.leave(world, *(left_over.not_restored(f"c{n}") for n in range(12)), rounds=2)
        assert len(self.needs(world, status=MigrationStatus.ROLLBACK_INCOMPLETE)) == 11

    def test_a_product_that_is_missing_in_the_end_can_be_added(self, world):
        self.leave(world, left_over.not_added("a", "lending"), forward=True)
        assert self.needs(world, status=MigrationStatus.COMPLETE) == [
            (
                "a has no lending: correct the cause, then add it.",
                "tools/hub companies add-product a lending",
            )
        ]

    def test_a_company_that_was_left_out_is_migrated_later(self, world):
        self.leave(world, left_over.still_on("a"), forward=True)
        assert self.needs(world, status=MigrationStatus.COMPLETE) == [
            (
                "Some companies were left out: read which, then migrate these companies.",
                f"tools/hub migrations report {ID}",
            )
        ]
