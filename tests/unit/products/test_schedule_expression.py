"""Expressions as AWS's guide for EventBridge Scheduler describes them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from codat_hub.products.domain.product import Schedule
from codat_hub.products.domain.schedule_expression import NEVER, interval, next_after, problems
from codat_hub.products.domain.schedule_expression import runs as has_slots


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def runs(expression: str, after: str, count: int = 3, timezone: str = "UTC") -> list[str]:
    """Return the next slots as that zone's clock shows them."""
    found, moment = [], at(after)
    for _ in range(count):
        moment = next_after(Schedule(expression, timezone), moment)
        if moment is None:
            break
        found.append(moment.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 23 * * ? *)", ["2026-01-01 23:00", "2026-01-02 23:00"]),
        ("cron(15 10 ? * 6L 2026-2027)", ["2026-01-30 10:15", "2026-02-27 10:15"]),
        ("cron(0 10 ? * L *)", ["2026-01-03 10:00", "2026-01-10 10:00"]),
        ("cron(0 8 L * ? *)", ["2026-01-31 08:00", "2026-02-28 08:00"]),
        ("cron(0 8 1W * ? *)", ["2026-01-01 08:00", "2026-02-02 08:00"]),
        ("cron(0 8 31W * ? *)", ["2026-01-30 08:00", "2026-03-31 08:00"]),
        ("cron(0 8 15W * ? *)", ["2026-01-15 08:00", "2026-02-16 08:00"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-01-01 18:00", "2026-01-02 18:00", "2026-01-05 18:00"]),
        ("cron(0 9 ? * 2#1 *)", ["2026-01-05 09:00", "2026-02-02 09:00"]),
        ("cron(0 9 ? * 6#5 *)", ["2026-01-30 09:00", "2026-05-29 09:00"]),
        ("cron(0/20 7 * * ? *)", ["2026-01-01 07:00", "2026-01-01 07:20", "2026-01-01 07:40"]),
        ("cron(5,50 1-2 * * ? *)", ["2026-01-01 01:05", "2026-01-01 01:50", "2026-01-01 02:05"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("cron(0 0 1 1/6 ? *)", ["2026-07-01 00:00", "2027-01-01 00:00"]),
        ("cron(0 0 1 7 ? 2026)", ["2026-07-01 00:00"]),
        ("rate(1 hour)", ["2026-01-01 01:00", "2026-01-01 02:00"]),
        ("rate(90 minutes)", ["2026-01-01 01:30", "2026-01-01 03:00"]),
    ],
)
def test_slots_are_the_times_at_which_aws_starts_the_schedule(expression, expected):
    assert problems(Schedule(expression), at("2026-01-01T00:00:00+00:00")) == []
    found = runs(expression, "2026-01-01T00:00:00+00:00", count=len(expected))
    assert found == expected


def test_a_time_that_the_clock_skips_in_spring_does_not_run():
    found = runs("cron(30 1 * * ? *)", "2026-03-27T12:00:00+00:00", 3, "Europe/London")
    assert found == ["2026-03-28 01:30", "2026-03-30 01:30", "2026-03-31 01:30"]


def test_a_time_that_the_clock_shows_twice_in_autumn_runs_once():
    found = runs("cron(30 1 * * ? *)", "2026-10-24T12:00:00+00:00", 2, "Europe/London")
    assert found == ["2026-10-25 01:30", "2026-10-26 01:30"]
    first = next_after(Schedule("cron(30 1 * * ? *)", "Europe/London"), at("2026-10-24T12:00Z"))
    assert first == at("2026-10-25T00:30:00+00:00")


def test_in_the_repeated_hour_the_times_of_the_first_pass_do_not_run_again():
    hourly = Schedule("cron(0,30 * * * ? *)", "Europe/London")
    assert next_after(hourly, at("2026-10-25T00:30Z")) == at("2026-10-25T02:00Z")
    assert next_after(hourly, at("2026-10-25T01:15Z")) == at("2026-10-25T02:00Z")


def test_a_days_rate_is_24_hours_whatever_the_clock_does():
    daily = Schedule("rate(1 day)", "Europe/London")
    assert next_after(daily, at("2026-03-28T12:00Z")) == at("2026-03-29T12:00Z")


def test_the_interval_is_the_time_to_the_slot_after():
    daily = Schedule("cron(0 23 * * ? *)", "Europe/London")
    assert interval(daily, at("2026-03-28T23:00Z")) == timedelta(hours=23)
    assert interval(daily, at("2026-07-01T22:00Z")) == timedelta(days=1)
    assert interval(Schedule("cron(0 0 1 7 ? 2020)"), at("2026-07-01T22:00Z")) == NEVER
    assert at("2026-07-01T22:00Z") + NEVER > at("2100-01-01T00:00Z")


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "neither rate"),
        ("at(2026-01-01T00:00:00)", "once only"),
        ("every hour", "neither rate"),
        ("rate(0 minutes)", "no rate"),
        ("rate(5 hour)", "no rate"),
        ("rate(1 hours)", "no rate"),
        ("rate(05 hours)", "no rate"),
        ("rate(5  hours)", "no rate"),
        ("rate(5 weeks)", "no rate"),
        ("rate(1.5 hours)", "no rate"),
        ("rate(٣ hours)", "no rate"),
        ("rate(400 days)", "more than 366 days"),
        ("cron(0 23 * * ?)", "has 5 fields"),
        ("cron(0 23 * * * *)", "exactly one of the two must be ?"),
        ("cron(0 23 ? * ? *)", "exactly one of the two must be ?"),
        ("cron(60 23 * * ? *)", "minutes: '60'"),
        ("cron(0 24 * * ? *)", "hours: '24'"),
        ("cron(0 0 0 * ? *)", "day of month: '0'"),
        ("cron(0 0 32W * ? *)", "day of month: '32W'"),
        ("cron(0 0 * 13 ? *)", "month: '13'"),
        ("cron(0 0 ? * 0 *)", "day of week: '0'"),
        ("cron(0 0 ? * 2/2 *)", "day of week: '2/2'"),
        ("cron(0 0 ? * 6#6 *)", "1st to 5th"),
        ("cron(0 0 ? * 3#1,6#3 *)", "1st to 5th"),
        ("cron(0 0 * * ? 1969)", "year: '1969'"),
        ("cron(0 22-2 * * ? *)", "runs backwards"),
        ("cron(0/0 * * * ? *)", "minutes: '0/0'"),
        ("cron(0, * * * ? *)", "minutes: ''"),
        ("cron(0 0 30 2 ? *)", "no year has"),
        ("cron(0/90 * * * ? *)", "minutes: '0/90'"),
        ("cron(0 0/24 * * ? *)", "hours: '0/24'"),
        ("cron(0 0 1/31 * ? *)", "day of month: '1/31'"),
        ("cron(0 0 1 1/12 ? *)", "month: '1/12'"),
        ("cron(0 0 1 1 ? 2026/230)", "year: '2026/230'"),
        ("cron(0\t23 * * ? *)", "each after one space"),
        ("cron(0\u00a023 * * ? *)", "each after one space"),
        ("cron(0  23 * * ? *)", "each after one space"),
        ("cron( 0 23 * * ? *)", "each after one space"),
        ("cron(0 23 ? * mon-fri *)", "day of week: 'mon-fri'"),
        ("cron(0 23 ? * FRI#3 *)", "day of week: 'FRI#3'"),
        ("cron(0 23 ? * FRIL *)", "day of week: 'FRIL'"),
        ("cron(00 23 * * ? *)", "minutes: '00'"),
        ("cron(0 023 * * ? *)", "hours: '023'"),
        ("cron(0 23 L-3 * ? *)", "day of month: 'L-3'"),
        ("cron(0 23 LW * ? *)", "day of month: 'LW'"),
        ("cron(0 23 1,L * ? *)", "day of month: 'L'"),
        ("cron(0 23 1W,15W * ? *)", "day of month: '1W'"),
        ("CRON(0 23 * * ? *)", "neither rate"),
        ("cron(0 23 1 jan ? *)", "month: 'jan'"),
        ("cron(0 23 1 1 ? 2020,2021)", "only times in the past"),
        ("cron(" + "0," * 200 + "0 0 * * ? *)", "longer than 256"),
    ],
)
def test_an_expression_that_aws_would_refuse_or_never_run_is_a_problem(expression, says):
    (problem,) = problems(Schedule(expression))
    assert says in problem


def test_the_last_time_of_an_expression_is_taken_until_it_is_over():
    once = Schedule("cron(0 12 1 7 ? 2026)")
    assert problems(once, at("2026-07-01T11:59Z")) == []
    assert problems(once, at("2026-07-01T12:00Z")) == [
        "'cron(0 12 1 7 ? 2026)' names only times in the past"
    ]


def test_every_problem_is_listed():
    found = problems(Schedule("cron(99 25 40 FOO ? 1)", "Europe/Lodnon"))
    assert [problem.split(":")[0] for problem in found] == [
        "'Europe/Lodnon' is not a time zone of the IANA database; did you mean Europe/London?",
        "day of month",
        "minutes",
        "hours",
        "month",
        "year",
    ]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("cron(0\t23  ? * mon-fri *)", "cron(0 23 ? * MON-FRI *)"),
        ("cron(0\u00a023 1 jan ? *)", "cron(0 23 1 JAN ? *)"),
        ("cron(00 023 * * ? *)", "cron(0 23 * * ? *)"),
        ("cron(7/90 0/24 * * ? *)", "cron(7 0 * * ? *)"),
        ("cron(0 */30 1/31,15 * ? *)", "cron(0 0 1,15 * ? *)"),
        ("cron(0 9 ? * FRI#3 *)", "cron(0 9 ? * 6#3 *)"),
        ("cron(0 9 ? * sunL *)", "cron(0 9 ? * 1L *)"),
        ("rate(1 hours)", "rate(1 hour)"),
    ],
)
def test_a_schedule_that_was_registered_before_it_was_refused_goes_on(before, now):
    assert problems(Schedule(before))
    assert problems(Schedule(now)) == []
    assert has_slots(Schedule(before))
    assert runs(before, "2026-01-01T00:00:00+00:00", 3) == runs(now, "2026-01-01T00:00:00+00:00", 3)


@pytest.mark.parametrize("zone", ["", "/etc/passwd", "../UTC", "localtime", "GMT+25", "Nowhere"])
def test_only_zones_of_the_iana_database_are_known(zone):
    assert "is not a time zone" in problems(Schedule("rate(1 hour)", zone))[0]


@given(st.text(max_size=300), st.text(max_size=40))
def test_any_text_gets_an_answer(expression, timezone):
    problems(Schedule(expression, timezone))
    problems(Schedule(f"cron({expression})", timezone))


ZONES = st.sampled_from(["UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe"])
DAYS = st.floats(0, 1800)
MOMENTS = DAYS.map(lambda days: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=days))
FIELDS = st.tuples(
    st.integers(0, 59).map(str) | st.just("*") | st.just("0/7"),
    st.integers(0, 23).map(str) | st.just("*") | st.just("1-3"),
    st.sampled_from(["* {} ?", "L {} ?", "15W {} ?", "? {} 6L", "? {} MON-FRI", "? {} 2#1"]),
    st.integers(1, 12).map(str) | st.just("*"),
)


@given(FIELDS, ZONES, MOMENTS)
def test_a_slot_matches_its_fields_and_none_is_left_out(fields, zone, moment):
    minute, hour, days, month = fields
    schedule = Schedule(f"cron({minute} {hour} {days.format(month)} *)", zone)
    slot = next_after(schedule, moment)
    assert slot is not None
    assert slot > moment
    shown = slot.astimezone(ZoneInfo(zone))
    assert matches(minute, shown.minute)
    assert matches(hour, shown.hour)
    assert matches(month, shown.month)
    # From any moment before it, the same slot is the next.
    halfway = moment + (slot - moment) / 2
    assert next_after(schedule, halfway) == slot


def matches(field: str, value: int) -> bool:
    if field == "*":
        return True
    if "/" in field:
        return value % 7 == 0
    low, _, high = field.partition("-")
    return int(low) <= value <= int(high or low)


@given(st.integers(0, 59), st.integers(0, 23), ZONES, MOMENTS)
def test_a_daily_slot_comes_once_a_day_at_most(minute, hour, zone, moment):
    schedule = Schedule(f"cron({minute} {hour} * * ? *)", zone)
    days = []
    for _ in range(5):
        moment = next_after(schedule, moment)
        days.append(moment.astimezone(ZoneInfo(zone)).date())
    assert len(set(days)) == 5


def test_a_schedule_with_problems_has_no_slots():
    with pytest.raises(ValueError, match="neither"):
        next_after(Schedule("nonsense"), at("2026-01-01T00:00Z"))


@given(MOMENTS, ZONES)
def test_only_a_skipped_hour_makes_a_day_without_a_slot(moment, zone):
    schedule = Schedule("cron(30 12 * * ? *)", zone)
    slot = next_after(schedule, moment)
    assume(slot is not None)
    assert timedelta(hours=23) <= interval(schedule, slot) <= timedelta(hours=25)


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ("rate(4 minutes)", True),
        ("rate(5 minutes)", False),
        ("cron(0/4 * * * ? *)", True),
        ("cron(0/5 * * * ? *)", False),
        ("cron(2,58 * * * ? *)", True),
        ("cron(58 23 * * ? *)", False),
        ("cron(0,58 0,23 * * ? *)", True),
    ],
)
def test_a_cadence_below_five_minutes_is_refused(expression, refused):
    found = problems(Schedule(expression))
    assert found == [f"{expression!r} runs again within less than 5 minutes"] * refused
