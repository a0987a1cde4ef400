"""The checked-in definition is the table's, and leads where the table says."""

import json

import pytest

from tools.statemachine.__main__ import DEFINITION, generated
from tools.statemachine.rows import Activity, Undo
from tools.statemachine.states import ordered

STATES = json.loads(DEFINITION.read_text())["States"]
ROWS = [pytest.param(heading, row, id=row.state) for heading, row in ordered()]
CALLS = [row for row in ROWS if STATES[row.id]["Type"] in {"Task", "Map"}]


def within(states):
    """Yield every state with its name, those inside a Map too."""
    for name, state in states.items():
        yield name, state
        if state["Type"] == "Map":
            yield from within(state["ItemProcessor"]["States"])


TASKS = [pytest.param(state, id=name) for name, state in within(STATES) if state["Type"] == "Task"]


def test_the_definition_is_the_one_that_the_table_makes():
    assert DEFINITION.read_text() == generated()[DEFINITION], "run `make statemachine`"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_timeout_retries_and_a_catch(task):
    assert task["TimeoutSeconds"] > 0
    assert [retrier["MaxAttempts"] > 0 for retrier in task["Retry"]] == [True]
    assert [catcher["ErrorEquals"] for catcher in task["Catch"]] == [["States.ALL"]]


@pytest.mark.parametrize(("heading", "row"), CALLS)
def test_every_catch_leads_where_the_table_says(heading, row):
    match heading, row.state:
        case _, "NoteRollbackIncomplete":
            expected = "RollbackIncomplete"
        case Activity(), _:
            expected = "BeginRollback"
        case Undo(), _:
            expected = "NoteRollbackIncomplete"
        case _:
            expected = row.fails_to or heading.lane.fails_to
    assert [catcher["Next"] for catcher in STATES[row.state]["Catch"]] == [expected]


def test_inside_a_map_a_failed_chunk_is_noted_and_ends():
    maps = {name: state for name, state in STATES.items() if state["Type"] == "Map"}
    for name, state in maps.items():
        inside = state["ItemProcessor"]["States"]
        assert inside[f"{name}Chunk"]["Catch"][0]["Next"] == f"{name}ChunkFailed"
        assert inside[f"{name}ChunkFailed"]["Catch"][0]["Next"] == f"{name}ChunkOver"
        assert inside[f"{name}ChunkOver"]["End"]


@pytest.mark.parametrize(("heading", "row"), ROWS)
def test_a_comment_names_the_number_of_its_activity(heading, row):
    comment = STATES[row.state].get("Comment", "")
    match heading:
        case Undo(number=number):
            assert comment.startswith(f"Undo of activity {number}: ")
        case Activity(number=number):
            assert comment.startswith(f"Activity {number}: ")
        case _:  # late companies go through activity 5 while the reads are checked
            assert ("ctivity 5: " in comment) == (row.state == "AddLateProducts")
