import pytest

from codat_hub.codat.errors import Permanent
from codat_hub.migration.domain.run import MigrationRequest, MigrationStatus
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
