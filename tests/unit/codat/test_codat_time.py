"""Every form of a date that Codat writes is one moment in UTC, or none."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat.domain.codat_time import CodatTime


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2022-10-23T00:00:00Z", datetime(2022, 10, 23, tzinfo=UTC)),
        ("2022-11-14T11:18:37.2798351Z", datetime(2022, 11, 14, 11, 18, 37, 279835, tzinfo=UTC)),
        ("2022-10-23T02:30:00.5+01:30", datetime(2022, 10, 23, 1, 0, 0, 500000, tzinfo=UTC)),
        ("2022-10-23T22:00:00", datetime(2022, 10, 23, 22, tzinfo=UTC)),
        ("2022-10-23", datetime(2022, 10, 23, tzinfo=UTC)),
    ],
)
def test_every_form_that_codat_writes_is_one_moment_in_utc(text, moment):
    assert CodatTime(text).moment == moment
    assert CodatTime(text).moment.tzinfo is UTC


def test_the_original_text_is_kept():
    assert CodatTime("2022-11-14T11:18:37.2798351Z") == "2022-11-14T11:18:37.2798351Z"


def test_codats_own_sample_of_an_impossible_time_is_no_moment():
    assert CodatTime("2022-01-01T23:59:99Z").moment is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_leaves_the_calendar_in_utc_is_no_moment(text):
    assert CodatTime(text).moment is None


@given(st.text())
def test_no_text_raises(text):
    moment = CodatTime(text).moment
    assert moment is None or moment.tzinfo is UTC
