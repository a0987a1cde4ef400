"""Headers are read leniently, bounded, and never raise."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codat_hub.codat.adapters.headers import LONGEST_WAIT, quota, retry_after
from codat_hub.codat.domain.quota import Quota

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 0 ", timedelta(0)),
        ("Sun, 22 Nov 2026 12:02:00 GMT", timedelta(minutes=2)),
        ("Sunday, 22-Nov-26 12:02:00 GMT", timedelta(minutes=2)),
        ("Sun, 22 Nov 2026 13:02:00 +0100", timedelta(minutes=2)),
        ("Sun, 22 Nov 2026 12:02:00 -0000", timedelta(minutes=2)),
        ("Sun, 22 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("86401", LONGEST_WAIT),
        ("0.493", timedelta(seconds=0.493)),
        ("299.997", timedelta(seconds=299.997)),
        ("2026-11-22T12:02:00Z", timedelta(minutes=2)),
        ("2026-11-22T12:02:00.5+00:00", timedelta(minutes=2, seconds=0.5)),
        ("999999999999999999", LONGEST_WAIT),
        ("Sun, 29 Nov 2026 12:00:00 GMT", LONGEST_WAIT),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(text, wait):
    assert retry_after({"retry-after": text}, NOON) == wait


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["5", "7"], 5),
        (["soon", "7"], 7),
        (["", "7"], 7),
        (["5", "Sun, 22 Nov 2026 12:02:00 GMT"], 5),
        (["Sun, 22 Nov 2026 12:02:00 GMT", "5"], 120),
        (["Sun, 99 Foo", "Sunday, 22-Nov-26 12:02:00 GMT"], 120),
    ],
)
def test_of_a_retry_after_that_came_twice_the_first_readable_value_counts(texts, seconds):
    twice = httpx.Headers([("Retry-After", text) for text in texts])
    assert retry_after(twice, NOON) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e3", "1.5.2", "²", "9" * 5000, "Sun, 99 Foo"])
def test_an_unreadable_retry_after_is_none(text):
    assert retry_after({"retry-after": text}, NOON) is None


def test_no_retry_after_is_none():
    assert retry_after({}, NOON) is None


@given(st.text())
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Sun, 22 Nov 2026 12:02:00 +999999")
def test_any_retry_after_is_a_wait_of_up_to_a_day_or_none(text):
    wait = retry_after({"retry-after": text}, NOON)
    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT


@given(st.integers(min_value=0))
def test_any_number_of_seconds_is_honoured_up_to_a_day(seconds):
    wait = retry_after({"retry-after": str(seconds)}, NOON)
    assert wait == min(timedelta(seconds=min(seconds, 10**6)), LONGEST_WAIT) or seconds >= 10**18


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year > 1900))
def test_any_http_date_is_honoured_up_to_a_day(moment):
    text = moment.strftime(f"%a, %d %b {moment.year:04} %H:%M:%S GMT")
    expected = min(max(moment.replace(microsecond=0) - NOON, timedelta(0)), LONGEST_WAIT)
    assert retry_after({"retry-after": text}, NOON) == expected


@pytest.mark.parametrize(
    "reset",
    ["2026-11-23T00:00:00Z", "Mon, 23 Nov 2026 00:00:00 GMT", "2026-11-23T00:00:00.0000000"],
)
def test_the_quota_is_read_from_headers_of_any_case(reset):
    headers = httpx.Headers(
        {"X-Rate-Limit-Limit": "101000", "X-RATE-LIMIT-REMAINING": "7", "x-rate-limit-reset": reset}
    )
    assert quota(headers) == Quota(101000, 7, datetime(2026, 11, 23, tzinfo=UTC))


def test_an_unreadable_part_of_the_quota_is_none_and_the_rest_stays():
    headers = {"x-rate-limit-limit": "many", "x-rate-limit-remaining": "0"}
    assert quota(headers) == Quota(None, 0, None)


def test_an_answer_without_rate_limit_headers_has_no_quota():
    assert quota({"content-type": "application/json"}) is None


@given(st.text(), st.text(), st.text())
def test_no_quota_header_raises(limit, remaining, reset):
    quota(
        {
            "x-rate-limit-limit": limit,
            "x-rate-limit-remaining": remaining,
            "x-rate-limit-reset": reset,
        }
    )
