from dataclasses import replace

import pytest

from codat_hub.codat.errors import Permanent
from codat_hub.migration.domain.chunk import Chunk, Tally
from codat_hub.migration.domain.run import MigrationRequest, MigrationStatus
from codat_hub.migration.usecases import stopping
from codat_hub.migration.usecases.context import StepResult
from codat_hub.migration.usecases.step_table import run_step

ERROR = {"Error": "StepFailed", "Cause": "refused"}


def fail_a_chunk(world, direction="apply", phase="add_products", **fields):
    command = world.command("a", state={"phase": phase, "error": ERROR}, **fields)
    run_step(world.context, "note_chunk_failure", direction, command)


def test_the_other_chunks_stop_at_their_next_company(world):
    for company in ("a", "b", "c"):
        world.company(company)
    command = world.command("a", "b", "c")
    add = world.codat.add_product

    def add_and_fail_another_chunk(company, product):
        add(company, product)
        fail_a_chunk(world)

    world.codat.add_product = add_and_fail_another_chunk
    assert run_step(world.context, "add_products", "apply", command).next == "again"
    assert run_step(world.context, "add_products", "apply", command) == StepResult()
    assert world.codat.changes == [("add_product", "a", "lending")]


@pytest.mark.parametrize(("tolerated", "stops"), [(0, True), (1, False)])
def test_failed_companies_stop_a_phase_beyond_the_tolerance(world, tolerated, stops):
    world.change(request=MigrationRequest(("lending",), tolerated_failures=tolerated))
    for company in ("a", "b"):
        world.company(company)
    world.codat.failing["add_product"] = Permanent("refused")
    run_step(world.context, "add_products", "apply", world.command("a"))
    world.codat.failing.clear()
    run_step(world.context, "add_products", "apply", world.command("b"))
    assert world.codat.changes == ([] if stops else [("add_product", "b", "lending")])


def test_an_undo_goes_on_for_the_other_companies(world):
    world.change(status=MigrationStatus.ROLLING_BACK)
    fail_a_chunk(world, "compensate", "remove_products", listing="undo", epoch=2)
    world.company("b")
    run_step(world.context, "add_products", "compensate", world.undo("b", epoch=2))
    assert world.tally("remove_products", "undo").finished


def test_a_rerun_under_another_epoch_is_not_stopped(world):
    world.company("b")
    fail_a_chunk(world)
    world.ledger.raise_epoch(world.run.migration_id)
    run_step(world.context, "add_products", "apply", world.command("b", epoch=2))
    assert world.codat.changes == [("add_product", "b", "lending")]


def finish(world, failed=0, *, chunk="a", finished=True, **fields):
    """Finish a chunk of its own listing of one company."""
    command = world.command(chunk, **fields)
    tally = Tally(command.epoch, finished=finished, failed=failed)
    stopping.count(world.context, command, "add_products", tally)


def stopped(world, phase="add_products", **fields):
    return stopping.is_stopped(world.context, world.command("x", **fields), phase)


def test_a_chunk_without_a_failure_writes_nothing(world):
    finish(world)
    assert world.ledger.under(world.run.migration_id, "STOPPED#") == {}


def test_only_its_own_phase_listing_and_epoch_are_stopped(world):
    finish(world, 1)
    assert stopped(world)
    assert not stopped(world, "another")
    assert not stopped(world, listing="late-1")
    assert not stopped(world, epoch=2)
    (name,) = world.ledger.under(world.run.migration_id, "STOPPED#")
    assert name == "STOPPED#add_products#snapshot"  # as in the ledgers of runs that exist


def test_failures_of_chunks_add_up_and_a_repeat_counts_once(world):
    world.change(request=MigrationRequest(("lending",), tolerated_failures=3))
    for number, failed in ((0, 2), (0, 2), (1, 1)):
        named = replace(world.command("a"), chunk=Chunk(f"snapshot-{number:06}", ()))
        tally = Tally(1, finished=True, failed=failed)
        stopping.count(world.context, named, "add_products", tally)
    assert not stopped(world)
    named = replace(named, chunk=Chunk("snapshot-000002", ()))
    stopping.count(world.context, named, "add_products", tally)
    assert stopped(world)


def test_what_is_stopped_stays_stopped_and_an_earlier_round_does_not_count(world):
    world.change(request=MigrationRequest(("lending",), tolerated_failures=1))
    finish(world, 2)
    finish(world, 0, finished=False)
    finish(world, 1)
    assert stopped(world)
    finish(world, 1, epoch=2)
    assert not stopped(world, epoch=2)


def test_a_chunk_that_did_not_finish_stops_the_others_at_once(world):
    world.change(request=MigrationRequest(("lending",), tolerated_failures=9))
    finish(world, finished=False)
    assert stopped(world)


@pytest.mark.parametrize("facts", [{"status": MigrationStatus.ROLLING_BACK}, {"migrated": True}])
def test_an_undo_and_late_companies_stop_nothing(world, facts):
    world.change(**facts)
    finish(world, 99)
    assert not stopped(world)


def test_all_chunks_of_an_undo_are_stopped_together(world):
    command = replace(world.undo("a"), chunk=Chunk("undo-late-1-000000", ()))
    stopping.stop(world.context, command, "remove_products")
    assert stopped(world, "remove_products", listing="undo")


@pytest.mark.parametrize(("asked", "forward", "back"), [(0, 0, 5), (7, 7, 7)])
def test_a_rollback_tolerates_five_companies_at_least(world, asked, forward, back):
    world.change(request=MigrationRequest(("lending",), tolerated_failures=asked))
    assert stopping.tolerated(world.run) == forward
    world.change(status=MigrationStatus.ROLLING_BACK)
    assert stopping.tolerated(world.run) == back


def test_a_stopped_chunk_has_no_more_time(world):
    times = iter([True, False, True])
    command = stopping.stoppable(
        world.context, world.command("a", more_time=lambda: next(times)), "add_products"
    )
    assert command.more_time()
    assert not command.more_time()
    finish(world, 1)
    assert not command.more_time()
