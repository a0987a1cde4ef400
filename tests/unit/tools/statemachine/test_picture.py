"""The picture of a run in the documents is the table's, and nothing is missing in it."""

import re

import pytest

from tools.statemachine import saga
from tools.statemachine.__main__ import PAGE, generated
from tools.statemachine.picture import BEGIN, END, picture
from tools.statemachine.rows import Failure, Person, headed

ROWS = [row for _, row in headed(saga.THERE) if not isinstance(row, Failure)]


def test_the_page_shows_the_picture_that_the_table_makes():
    assert PAGE.read_text() == generated()[PAGE], "run `make statemachine`"
    assert PAGE.read_text().count(BEGIN) == PAGE.read_text().count(END) == 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.state)
def test_every_row_of_the_table_is_in_the_picture(row):
    assert re.search(rf"\b{row.state}\b", picture())


def test_the_run_goes_down_and_the_rollback_up():
    assert " --> A1 --> A2 --> A3 --> A4 --> A5 --> " in picture()
    assert " U5 ==> U4 ==> U3 ==> U1 ==> RolledBack\n" in picture()


def test_every_activity_shows_which_undo_a_failure_enters():
    found = dict(re.findall(r"(A\d) -\. fails \.-> (\w+)", picture()))
    assert found == {"A1": "U1", "A2": "U1", "A3": "U3", "A4": "U4", "A5": "U5"}


def test_the_six_stops_for_a_person_stand_out():
    (people,) = re.findall(r"class (\S+) person", picture())
    assert people.split(",") == [row.state for row in ROWS if isinstance(row, Person)]
    assert len(people.split(",")) == 6
