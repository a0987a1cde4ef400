from dataclasses import replace

import pytest

from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationStatus, Pause, WaitingFor
from codat_hub.migration.steps import left_over
from codat_hub.migration.steps.left_over import Attempts
from codat_hub.migration.usecases import reports
from tests.support.migration.step_world import HOUR, ID, NOW

SECRET_URL = "https://user:hunter2@old.example/hook?code=hunter3"


def counts(world):
    return reports.counts(world.ledger, world.run)


class TestCounts:
    def test_phases_that_have_not_begun_are_left_out(self, world):
        assert counts(world) == {}

    def test_chunks_that_are_not_judged_yet_are_counted_from_their_tallies(self, world):
        done = Tally(1, finished=True, done=3, skipped=1, failed=2, open=4)
        world.ledger.put_tally(ID, "snapshot", "snapshot-000000", done)
        world.ledger.put_tally(ID, "snapshot", "snapshot-000001", replace(done, finished=False))
        world.change(chunks={"snapshot": 7})
        assert counts(world) == {
            "snapshot": {
                "chunks": 1, "of_chunks": 7, "done": 6, "skipped": 2, "failed": 4, "open": 8,
            }
        }  # fmt: skip

    def test_late_companies_count_for_the_products(self, world):
        for chunk in ("snapshot-000000", "late-1-000000"):
            tally = Tally(1, finished=True, done=1)
            world.ledger.put_tally(ID, "add_products", chunk, tally)
        world.change(chunks={"snapshot": 1, "late-1": 1})
        assert counts(world)["add_products"]["done"] == 2

    def test_judged_phases_are_read_from_the_run(self, world):
        kept = {"chunks": 9, "of_chunks": 9, "done": 200, "skipped": 0, "failed": 0, "open": 0}
        world.change(counted={"snapshot snapshot": kept})
        assert counts(world)["snapshot"] == kept

    @pytest.mark.parametrize("status", list(MigrationStatus))
    def test_undos_are_shown_of_a_run_that_goes_back(self, world, status):
        tally = Tally(2, finished=True, done=1)
        world.ledger.put_tally(ID, "remove_products", "undo-000000", tally)
        world.change(status=status)
        shown = status in {"rolling_back", "rolled_back", "rollback_incomplete"}
        assert ("remove_products" in counts(world)) is shown


class TestReport:
    def test_it_shows_the_fate_of_every_change(self, world):
        old = (
            LedgerEntry({"consumer_id": "1", "url": SECRET_URL})
            .intend(1)
            .came_to("off")
            .undo("enabled")
        )
        world.ledger.first(ID, "OLD_CONSUMER#1", old)
        world.ledger.first(
            ID, "NEW_CONSUMER#x", LedgerEntry({"url": "https://x", "hub_consumer": "x"}).intend(1)
        )
        report = reports.report(world.ledger, world.run)
        assert report["old_consumers"] == [
            {
                "consumer_id": "1",
                "url": "https://old.example/hook?…",
                "hub_consumer": None,
                "changed": True,
                "outcome": "off",
                "undone": "enabled",
            }
        ]
        assert report["new_consumers"] == [
            {
                "consumer_id": None,
                "url": "https://x",
                "hub_consumer": "x",
                "changed": True,
                "outcome": None,
                "undone": None,
            }
        ]
        assert report["client_settings"] == {"changed": False, "outcome": None, "undone": None}
        assert "hunter" not in str(report)

    @pytest.mark.parametrize(
        ("status", "until"),
        [
            (MigrationStatus.RUNNING, NOW + HOUR),
            (MigrationStatus.COMPLETE, NOW + HOUR),
            (MigrationStatus.ROLLING_BACK, None),
            (MigrationStatus.ROLLBACK_INCOMPLETE, None),
            (MigrationStatus.ROLLED_BACK, NOW + 2 * HOUR),
        ],
    )
    def test_the_gap_lasts_until_present_consumers_get_events_again(self, world, status, until):
        world.change(status=status, gap_from=NOW, gap_to=NOW + HOUR, ended_at=NOW + 2 * HOUR)
        report = reports.report(world.ledger, world.run)
        assert report["replay_missed"] == {"from": NOW, "to": until}

    def test_without_old_consumers_there_is_no_gap(self, world):
        assert reports.report(world.ledger, world.run)["replay_missed"] is None


class TestNeeds:
    """What a person has to do, with the command to run."""

    def needs(self, world, **run):
        world.change(**run)
        left = left_over.left(world.ledger, world.run)
        return [(need["what"], need["command"]) for need in reports.needs(world.run, left)]

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
                "Or leave lending of a as it is.",
                f"tools/hub migrations settle {ID} a --product lending --reason REASON",
            ),
            (
                "Or leave the settings of a as it is.",
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

    def test_the_standing_shows_what_is_left_and_what_was_settled(self, world):
        self.leave(world, left_over.kept("a", "lending"))
        world.change(status=MigrationStatus.ROLLBACK_INCOMPLETE)
        standing = reports.RunStanding.of(world.ledger, world.run)
        assert [item["company_id"] for item in standing.left] == ["a"]
        assert (standing.settled, len(standing.needs), standing.counts) == ([], 1, {})
        assert reports.report(world.ledger, world.run)["left"] == standing.left
