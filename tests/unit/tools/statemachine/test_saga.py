"""The table: five activities, each with its undo, and five stops for a person."""

import json

import pytest

from codat_hub.migration.domain.run import Activity as Named
from codat_hub.migration.domain.run import undo_of
from tools.statemachine import saga
from tools.statemachine.__main__ import DEFINITION
from tools.statemachine.picture import entered_by
from tools.statemachine.rows import Activity, Part, Person, Undo, headed
from tools.statemachine.states import ordered

STATES = json.loads(DEFINITION.read_text())["States"]
HEADINGS = [line for line in saga.THERE if isinstance(line, Part)]
ACTIVITIES = [heading for heading in HEADINGS if isinstance(heading, Activity)]


def rows_of(heading):
    return [row for part, row in headed(saga.THERE) if part == heading]


def test_the_activities_are_the_five_of_the_code_in_their_order():
    assert [activity.number for activity in ACTIVITIES] == [1, 2, 3, 4, 5]
    for activity, named in zip(ACTIVITIES, Named, strict=True):
        steps = [getattr(row, "step", "") for row in rows_of(activity)]
        assert named.value in steps


@pytest.mark.parametrize("activity", ACTIVITIES, ids=lambda activity: activity.title)
def test_each_activity_has_an_undo_or_says_that_it_needs_none(activity):
    undo = HEADINGS[HEADINGS.index(activity) + 1]
    assert isinstance(undo, Undo)
    assert undo.number == activity.number
    assert bool(undo.entry) == bool(rows_of(undo)) == (not undo.title.startswith("None: "))


@pytest.mark.parametrize("activity", ACTIVITIES, ids=lambda activity: activity.title)
def test_a_failure_enters_the_undo_that_the_first_step_back_answers(activity):
    undo = entered_by(activity)
    assert undo.entry == undo_of(list(Named)[activity.number - 1]).value
    enter = STATES["EnterRollback"]
    leads = {choice["StringEquals"]: choice["Next"] for choice in enter["Choices"]}
    assert leads.get(undo.entry, enter["Default"]) == rows_of(undo)[0].state


def test_the_undos_run_from_the_last_activity_to_the_first():
    numbers = [heading.number for heading, _ in ordered() if isinstance(heading, Undo)]
    assert list(dict.fromkeys(numbers)) == [5, 4, 3, 1]


def test_a_run_stops_for_a_person_at_six_places():
    stops = {name for name, state in STATES.items() if "waitForTaskToken" in str(state)}
    assert stops == {row.state for _, row in headed(saga.THERE) if isinstance(row, Person)}
    assert len(stops) == 6
