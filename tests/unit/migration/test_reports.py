from dataclasses import replace

import pytest

from codat_hub.migration.domain.chunk import Tally
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import MigrationStatus
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

    def test_a_survey_counts_the_companies_of_the_plan(self, world):
        world.ledger.put_tally(ID, "survey", "plan-000000", Tally(1, finished=True, done=2))
        world.change(chunks={"plan": 1, "snapshot": 1})
        assert counts(world)["survey"]["done"] == 2

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

    def test_a_consumer_that_was_created_has_its_id(self, world):
        facts = {"url": "https://x", "hub_consumer": "x"}
        entry = LedgerEntry(facts).intend(1).came_to("created", {**facts, "consumer_id": "new"})
        world.ledger.first(ID, "NEW_CONSUMER#x", entry)
        (shown,) = reports.report(world.ledger, world.run)["new_consumers"]
        assert (shown["consumer_id"], shown["outcome"]) == ("new", "created")

    def test_it_shows_the_run_and_its_counts(self, world):
        world.ledger.intend(ID, 1, {"CLIENT": LedgerEntry({})})
        world.ledger.note(ID, "CLIENT", lambda entry: entry.came_to("off").undo("restored"))
        back = Attempts.back(world.context, world.command("a"), world.run, "x")
        for company_id in "ab":
            back.leave(left_over.kept(company_id, "lending"), "refused")
        decision = {"reason": "closed", "by": "pat", "at": NOW.isoformat()}
        world.ledger.note(
            ID,
            left_over.name_back(left_over.kept("b", "lending")),
            lambda entry: entry.came_to("settled", {**entry.detail, **decision}),
        )
        kept = {"chunks": 1, "of_chunks": 1, "done": 2, "skipped": 0, "failed": 0, "open": 0}
        world.change(
            status=MigrationStatus.ROLLING_BACK,
            approved_by="otto",
            ended_at=NOW + HOUR,
            error="refused",
            counted={"snapshot snapshot": kept},
            notes=("a note",),
        )
        report = reports.report(world.ledger, world.run)
        (left,), (settled,) = report.pop("left"), report.pop("settled")
        assert (left["company_id"], settled["company_id"], settled["by"]) == ("a", "b", "pat")
        assert report == {
            "migration_id": ID,
            "status": "rolling_back",
            "webhooks": "portal",
            "started_by": "olive",
            "approved_by": "otto",
            "started_at": NOW,
            "ended_at": NOW + HOUR,
            "error": "refused",
            "client_settings": {"changed": True, "outcome": "off", "undone": "restored"},
            "old_consumers": [],
            "new_consumers": [],
            "replay_missed": None,
            "counts": {"snapshot": kept},
            "notes": ["a note"],
        }

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


class TestStanding:
    def test_a_gap_is_needed_no_more_after_two_weeks(self, world):
        world.change(status=MigrationStatus.COMPLETE, gap_from=NOW, gap_to=NOW + HOUR)
        for days, count in ((13, 1), (14, 0)):
            now = NOW + days * 24 * HOUR
            assert len(reports.RunStanding.of(world.ledger, world.run, now).needs) == count

    def test_a_rollback_whose_executions_died_names_what_it_did_not_undo(self, world):
        world.save_client()
        world.company("a")
        world.company("b")
        for name in ("CLIENT", "COMPANY#a", "PRODUCT#b#lending"):
            world.ledger.intend(ID, 1, {name: LedgerEntry({"had": False})})
        world.change(status=MigrationStatus.ROLLING_BACK)
        assert reports.RunStanding.of(world.ledger, world.run, NOW).left == []
        world.change(status=MigrationStatus.ROLLBACK_INCOMPLETE, error="the execution died")
        standing = reports.RunStanding.of(world.ledger, world.run, NOW)
        named = {(item["company_id"], item.get("product")) for item in standing.left}
        assert named == {(None, None), ("a", None), ("b", "lending")}
        assert {item["error"] for item in standing.left} == {"the execution died"}
        assert "(3 items)" in standing.needs[0]["what"]

    def test_the_standing_shows_what_is_left_and_what_was_settled(self, world):
        Attempts.back(world.context, world.command("a"), world.run, "x").leave(
            left_over.kept("a", "lending"), "refused"
        )
        world.change(status=MigrationStatus.ROLLBACK_INCOMPLETE)
        standing = reports.RunStanding.of(world.ledger, world.run, NOW)
        assert [item["company_id"] for item in standing.left] == ["a"]
        assert (standing.settled, len(standing.needs), standing.counts) == ([], 1, {})
        assert reports.report(world.ledger, world.run)["left"] == standing.left
