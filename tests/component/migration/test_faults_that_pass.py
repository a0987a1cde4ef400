"""Faults that pass undo nothing: rows of the drill, over HTTP, with Codat's cache of answers."""

import pytest

from tools.drills.migration.drill import run_row, seen
from tools.drills.migration.rows import EVERY, Direction, Lasting, all_rows, drawn
from tools.drills.migration.rules import FOR_A_KEY, Rule

# What a fault that passes must not do; what else a row may break is another test's.
RULES = {Rule.ENDS, Rule.BORNE, Rule.ONCE, Rule.RERUN, Rule.FREE}


SEED = 20_260_310  # draws the same rows each time; `make drill-migration SEED=…` draws others
DRAWN = 30


@pytest.fixture(scope="module")
def rows():
    return all_rows(seen(), seed=1)


@pytest.mark.parametrize("part", range(3))  # so that two processes share them
def test_thirty_drawn_rows_break_no_rule(part):
    chosen = drawn(all_rows(seen(), SEED), DRAWN, SEED)
    assert len(chosen) == DRAWN
    broken = {row.name: found for row in chosen[part::3] if (found := run_row(row).breaches)}
    assert broken == {}


def breaches(row):
    return [breach for breach in run_row(row).breaches if breach.rule in RULES]


@pytest.mark.parametrize("kind", ["409", "503", "409-in-flight"])
def test_one_fault_of_a_post_undoes_nothing(rows, kind):
    chosen = [
        row
        for row in rows
        if (row.call.method, row.kind.name, row.lasting) == ("POST", kind, Lasting.ONCE)
    ]
    assert len(chosen) >= 6  # settings of client and companies, consumers; there and back
    for row in chosen:
        assert not breaches(row), row.name


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_409_to_a_put_or_a_delete_is_tried_again(rows, method):
    chosen = [
        row
        for row in rows
        if (row.call.method, row.kind.name, row.lasting) == (method, "409", Lasting.ONCE)
    ]
    assert chosen
    for row in chosen:
        assert not breaches(row), row.name


@pytest.mark.parametrize("kind", ["401", "503"])
@pytest.mark.parametrize(
    ("direction", "step"),
    [
        (Direction.FORWARD, "survey"),
        (Direction.FORWARD, "disable_company_sync"),
        (Direction.FORWARD, "add_products"),
        (Direction.BACK, "begin_rollback"),
        (Direction.BACK, "configure_new_webhooks"),
    ],
)
def test_codat_may_be_away_for_an_hour(rows, kind, direction, step):
    (row,) = [
        row
        for row in rows
        if (row.call.method, row.call.direction, row.call.step) == (EVERY, direction, step)
        and (row.kind.name, row.lasting) == (kind, Lasting.OUTAGE)
    ]
    assert not breaches(row)


@pytest.mark.parametrize("kind", ["table-away", "lambda-away", "lambda-dies", "reader-fails"])
def test_aws_may_be_away_for_an_hour(rows, kind):
    chosen = [row for row in rows if (row.kind.name, row.lasting) == (kind, Lasting.OUTAGE)]
    assert chosen
    for row in chosen[::8]:
        assert not breaches(row), row.name


@pytest.mark.parametrize("step", ["disable_client_sync", "add_products"])
def test_a_refused_key_is_waited_for_20_hours(rows, step):
    (row,) = [
        row
        for row in rows
        if (row.call.method, row.call.step, row.call.direction) == (EVERY, step, Direction.FORWARD)
        and (row.kind.name, row.lasting) == ("401", Lasting.EVER)
    ]
    assert run_row(row).hours * 3600 >= FOR_A_KEY.total_seconds()


def test_a_key_that_is_replaced_in_the_middle_is_read_anew(rows):
    chosen = [row for row in rows if row.kind.name == "401-rotated"]
    assert chosen
    for row in chosen[::8]:
        assert not breaches(row), row.name


def test_a_rollback_that_cannot_look_leaves_the_run_complete(rows):
    (row,) = [
        row
        for row in rows
        if (row.call.step, str(row.call)) == ("begin_rollback", "GET /profile/syncSettings")
        and (row.kind.name, row.lasting) == ("503", Lasting.EVER)
    ]
    outcome = run_row(row)
    assert outcome.ends[:2] == ("complete", "rolled_back")
    assert "the rollback has not begun" in outcome.told
