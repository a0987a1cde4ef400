import pytest

from codat_hub.errors import StepFailed, Superseded
from codat_hub.migration.domain.entry import LedgerEntry
from codat_hub.migration.domain.run import Activity, MigrationStatus, WaitingFor
from codat_hub.migration.steps.left_over import Attempts, kept
from codat_hub.migration.steps.snapshot import DIFFERS
from codat_hub.migration.usecases.context import StepResult
from codat_hub.migration.usecases.waiting import wait_for_person
from tests.support.migration.step_world import HUB_URL, ID, NOW

URL = "https://user:hunter2@old.example/hook"


def wait(world, waiting_for, token="token-1"):  # noqa: S107  # of Step Functions
    command = world.command(token=token, waiting_for=waiting_for)
    assert wait_for_person(world.context, command) == StepResult()
    return world.run.pause.instructions


def old(number, **fields):
    saved = {"consumer_id": number, "url": URL, "event_types": [], "tags": [], "disabled": False}
    return LedgerEntry(saved, intended=1, **fields)


@pytest.mark.parametrize("missing", ["token", "waiting_for"])
def test_a_wait_needs_a_token_and_a_reason(world, missing):
    facts = {"token": "t", "waiting_for": "approval"} | {missing: None}
    with pytest.raises(StepFailed):
        wait_for_person(world.context, world.command(**facts))


def test_the_run_waits_and_a_repeat_brings_a_new_token(world):
    world.change(step="snapshot")
    wait(world, "approval")
    wait(world, "approval", "token-2")
    assert world.run.step == "snapshot"
    pause = world.run.pause
    assert (pause.waiting_for, pause.since, pause.token) == (WaitingFor.APPROVAL, NOW, "token-2")
    assert world.run.status is MigrationStatus.WAITING


def test_the_plan_is_approved_or_rolled_back_by_a_command(world):
    assert wait(world, "approval") == (
        "Read the plan, then run tools/hub migrations approve.",
        "To stop instead, run tools/hub migrations rollback.",
    )


def test_the_stragglers_are_named_when_the_person_decides_about_them(world):
    note = "not quiet after the limit: a: 1 reads are still running"
    world.change(reached=Activity.WAIT_FOR_QUIET, notes=("other", note))
    lines = wait(world, "approval")
    assert (lines[0], len(lines)) == (note, 3)
    assert lines[1].startswith("To go on without waiting for these reads")


def test_the_consumers_that_are_still_on_are_to_be_disabled(world):
    world.ledger.first(ID, "OLD_CONSUMER#1", old("1", outcome="off"))
    world.ledger.first(ID, "OLD_CONSUMER#2", old("2"))
    lines = wait(world, "webhooks_disabled")
    assert lines == (
        "In the Codat Portal, Developers > Webhooks, disable:",
        "2  https://old.example/hook",
        "Then confirm it with tools/hub migrations confirm-webhooks-disabled.",
    )


def test_the_consumers_that_are_not_restored_are_to_be_enabled(world):
    world.change(status=MigrationStatus.ROLLING_BACK)
    world.ledger.first(ID, "OLD_CONSUMER#1", old("1", undone="enabled"))
    world.ledger.first(ID, "OLD_CONSUMER#2", old("2"))
    lines = wait(world, "webhooks_restored")
    assert lines[1:] == (
        "2  https://old.example/hook",
        "Then confirm it with tools/hub migrations confirm-webhooks-restored.",
    )
    assert world.run.status is MigrationStatus.ROLLING_BACK


def test_the_consumers_without_a_secret_are_named(world):
    for number in "12":
        facts = {"consumer_id": number, "hub_consumer": "lending", "url": f"{HUB_URL}/lending"}
        world.ledger.first(ID, f"NEW_CONSUMER#{number}", LedgerEntry(facts, detail=facts))
    world.ledger.first(ID, "SECRET#1", LedgerEntry(outcome="stored"))
    lines = wait(world, "signing_secret")
    assert lines[1] == f"2  {HUB_URL}/lending"
    assert lines[2] == "Then confirm each with tools/hub migrations confirm-secret."


@pytest.mark.parametrize(("count", "others"), [(1, ""), (10, ""), (11, " and others")])
def test_the_companies_that_keep_a_product_are_named(world, count, others):
    world.change(status=MigrationStatus.ROLLING_BACK)
    attempts = Attempts.back(world.context, world.undo("a"), world.run, "remove_products")
    for number in range(count):
        attempts.leave(kept(f"c{number:02}", "lending"), "refused")
    lines = wait(world, "products_kept")
    named = ", ".join(f"c{number:02}" for number in range(min(count, 10)))
    assert lines[0] == f"{count} companies keep a product: {named}{others}."
    assert lines[-1] == "To go on without them, run tools/hub migrations approve."
    assert world.run.status is MigrationStatus.ROLLING_BACK


def test_after_the_first_approval_only_the_newest_difference_is_read(world):
    world.change(notes=(f"{DIFFERS}: one", "other", f"{DIFFERS}: two"))
    lines = wait(world, "approval")
    assert lines[:2] == (
        f"{DIFFERS}: two",
        "Read the plan, then run tools/hub migrations approve.",
    )


def test_no_wait_forward_begins_once_a_rollback_has_begun(world):
    world.change(status=MigrationStatus.ROLLING_BACK)
    with pytest.raises(Superseded):
        wait(world, "approval")
