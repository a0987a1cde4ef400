"""Times that people read, local and relative, and times that people type."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tools.cli.terminal.moments import moment_of, readable, without_age

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_london(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/London")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("iso", "shown"),
    [
        ("2026-07-01T11:55:00+00:00", "2026-07-01 12:55 (5 min ago)"),
        ("2026-07-01T11:55:00.000000Z", "2026-07-01 12:55 (5 min ago)"),
        ("2026-07-01T12:00:00Z", "2026-07-01 13:00 (now)"),
        ("2026-07-01T12:00:30Z", "2026-07-01 13:00 (in 30 s)"),
        ("2026-06-28T12:00:00Z", "2026-06-28 13:00 (3 days ago)"),
        ("2026-06-30T12:00:00Z", "2026-06-30 13:00 (1 day ago)"),
        ("2026-01-01T00:00:00", "2026-01-01 00:00 (181 days ago)"),
        (None, "-"),
        ("", "-"),
        ("soon", "soon"),
    ],
)
def test_a_time_is_shown_in_the_local_zone_and_relative(iso, shown):
    assert readable(iso, NOW) == shown
    assert without_age(f"since {shown}, and on") == f"since {shown.partition(' (')[0]}, and on"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("6h", NOW - timedelta(hours=6)),
        ("0s", NOW),
        ("2d", NOW - timedelta(days=2)),
        (" 30m ", NOW - timedelta(minutes=30)),
        ("2026-07-01T10:00", datetime(2026, 7, 1, 9, 0, tzinfo=UTC)),
        ("2026-07-01T10:00+05:00", datetime(2026, 7, 1, 5, 0, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 6, 30, 23, 0, tzinfo=UTC)),
    ],
)
def test_a_typed_time_is_local_or_an_age(typed, meant):
    assert moment_of(typed, NOW) == meant


@pytest.mark.parametrize("typed", ["", "yesterday", "6", "h", "-1h", "2026-13-01", "1234567d"])
def test_a_text_that_is_not_a_time_is_refused(typed):
    with pytest.raises(ValueError, match=r".*"):
        moment_of(typed, NOW)
