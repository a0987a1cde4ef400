"""When all calls stop, which call finds out whether they may go on, and what ends it."""

from datetime import UTC, datetime, timedelta

import pytest

from codat_hub.codat import errors
from codat_hub.codat.domain.stamp import Stamp
from codat_hub.rate_limiting.domain.breaker import (
    LEAST_PAUSE,
    PROBE_EVERY,
    Breaker,
    Cause,
)
from codat_hub.rate_limiting.domain.rate_limit_notice import RateLimitNotice, reset
from codat_hub.rate_limiting.domain.waits import Waits

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
OPENS = [
    (errors.WrongClient("another"), Cause.WRONG_CLIENT),
    (errors.Unauthorized("key"), Cause.UNAUTHORIZED),
    (errors.RateLimited("quota", retry_at=NOW + HOUR), Cause.RATE_LIMITED),
]


def after(breaker, failure, company_id="c1", now=NOW, called_at=None):
    return breaker.after(failure, company_id, called_at or now, now)


def refused_by(*company_ids):
    breaker = Breaker()
    for company_id in company_ids:
        breaker = after(breaker, errors.Forbidden("plan"), company_id)
    return breaker


@pytest.mark.parametrize(("failure", "cause"), OPENS)
def test_one_refusal_of_all_calls_opens_it_until_the_probe(failure, cause):
    breaker = after(Breaker(), failure)
    probe_at = NOW + (HOUR if cause is Cause.RATE_LIMITED else PROBE_EVERY)
    assert (breaker.cause, breaker.opened_at, breaker.probe_at) == (cause, NOW, probe_at)
    assert breaker.blocked_until(probe_at - SECOND, None) == probe_at
    assert breaker.blocked_until(probe_at, None) is None
    assert breaker.probing(NOW, None)


@pytest.mark.parametrize(
    "failure",
    [
        errors.Busy(),
        errors.TryLater(),
        errors.OutcomeUnknown(),
        errors.NotUnderstood(),
        errors.NotFound(),
        errors.Permanent(),
    ],
)
@pytest.mark.parametrize("breaker", [Breaker(), refused_by("c2", "c3")])
def test_a_failure_of_one_company_does_not_open_it(failure, breaker):
    assert after(breaker, failure).cause is None


@pytest.mark.parametrize("retry_at", [None, NOW - HOUR, NOW, NOW + SECOND, NOW + HOUR])
def test_after_a_429_no_call_leaves_for_ten_seconds_at_least(retry_at):
    breaker = after(Breaker(), errors.RateLimited("quota", retry_at=retry_at))
    wanted = retry_at or NOW + timedelta(minutes=1)
    assert breaker.probe_at == max(wanted, NOW + LEAST_PAUSE)


def test_one_probe_leaves_and_the_next_waits_five_minutes():
    breaker = after(Breaker(), errors.Unauthorized("key"))
    later = NOW + PROBE_EVERY
    probing = breaker.leaving(later, None)
    assert probing.blocked_until(later, None) == later + PROBE_EVERY


def test_a_closed_breaker_lets_every_call_leave():
    assert Breaker().leaving(NOW, None) == Breaker()
    assert not Breaker().probing(NOW, None)


def test_three_companies_refused_in_a_row_open_it_and_one_company_never_does():
    assert refused_by("c1", "c2").cause is None
    assert refused_by("c1", "c1", "c1", "c2").cause is None
    assert refused_by("c1", "c2", "c3").cause is Cause.FORBIDDEN


def test_a_success_between_refusals_starts_the_count_anew():
    breaker = after(refused_by("c1", "c2"), None)
    assert after(breaker, errors.Forbidden("plan"), "c3").cause is None


@pytest.mark.parametrize(("failure", "_cause"), OPENS)
def test_only_a_success_that_left_since_it_opened_closes_it(failure, _cause):
    breaker = after(Breaker(), failure)
    early = after(breaker, None, called_at=NOW - SECOND, now=NOW + SECOND)
    assert early.cause is breaker.cause
    assert after(breaker, None, now=NOW + SECOND) == Breaker()


def test_a_failed_probe_keeps_the_time_it_opened_but_each_429_counts_as_new():
    wrong_key = after(Breaker(), errors.Unauthorized("key"))
    assert after(wrong_key, errors.Unauthorized("key"), now=NOW + HOUR).opened_at == NOW
    limited = after(Breaker(), errors.RateLimited("quota"))
    again = after(limited, errors.RateLimited("quota"), now=NOW + HOUR)
    assert again.opened_at == NOW + HOUR


def test_a_reset_event_newer_than_the_last_429_frees_it():
    breaker = after(Breaker(), errors.RateLimited("quota", retry_at=NOW + HOUR))
    old, new = reset(Stamp(NOW, "e1")), reset(Stamp(NOW + SECOND, "e2"))
    assert breaker.blocked_until(NOW + SECOND, old) == NOW + HOUR
    assert breaker.blocked_until(NOW + SECOND, new) is None
    assert not breaker.probing(NOW, new)
    assert breaker.leaving(NOW + SECOND, new).cause is None


def test_a_reset_event_frees_no_breaker_that_opened_for_another_cause():
    breaker = after(Breaker(), errors.Unauthorized("key"))
    new = reset(Stamp(NOW + SECOND, "e"))
    assert breaker.blocked_until(NOW + SECOND, new) == NOW + PROBE_EVERY


def test_a_reached_event_blocks_calls_without_an_answer():
    notice = RateLimitNotice(Stamp(NOW, "e"), NOW + HOUR)
    assert Breaker().blocked_until(NOW, notice) == NOW + HOUR
    assert Breaker().blocked_until(NOW + HOUR, notice) is None


@pytest.mark.parametrize("cause", [None, *Cause])
def test_a_ticket_waits_for_the_quota_or_for_the_breaker(cause):
    limited = cause in {None, Cause.RATE_LIMITED}
    assert Breaker(cause).waits_for() is (Waits.RATE_LIMIT if limited else Waits.BREAKER)


ANSWERS = {
    "accepted": None,
    "busy": errors.Busy(status=400),
    "400": errors.Permanent(status=400),
    "404": errors.NotFound(status=404),
    "409": errors.OutcomeUnknown(status=409),
    "402": errors.Forbidden(status=402),
    "403": errors.Forbidden(status=403),
    "401": errors.Unauthorized(status=401),
    "429": errors.RateLimited(status=429),
    "503": errors.TryLater(status=503),
    "edge": errors.TryLater(status=403, edge=True),
    "no answer": errors.OutcomeUnknown(),
    "half an answer": errors.OutcomeUnknown(status=202),
    "HTML": errors.NotUnderstood(status=200),
    "not sent": errors.Permanent(),
}
_KEY_IS_GOOD = {"accepted", "busy", "400", "404", "409", "402"}
CLOSED_BY = {
    Cause.UNAUTHORIZED: _KEY_IS_GOOD,
    Cause.WRONG_CLIENT: _KEY_IS_GOOD,
    Cause.RATE_LIMITED: {*_KEY_IS_GOOD, "403"},
    Cause.FORBIDDEN: {"accepted", "busy"},
    Cause.EDGE: {*_KEY_IS_GOOD, "403"},
}
OPENS_ANEW = {"401": Cause.UNAUTHORIZED, "429": Cause.RATE_LIMITED}


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_closes_it_depends_on_its_cause(cause, answer):
    breaker = Breaker(cause, NOW, NOW)
    expected = OPENS_ANEW.get(answer) or (None if answer in CLOSED_BY[cause] else cause)
    assert after(breaker, ANSWERS[answer]).cause is expected
    early = after(breaker, ANSWERS[answer], called_at=NOW - SECOND)
    assert early.cause is not None  # the call left before the breaker opened


def test_answers_of_an_edge_count_in_a_row_until_codat_answers():
    breaker = Breaker()
    for _ in range(9):
        breaker = after(breaker, ANSWERS["edge"])
        breaker = after(after(breaker, ANSWERS["503"]), ANSWERS["no answer"])
    assert breaker.cause is None
    assert after(breaker, ANSWERS["edge"]).cause is Cause.EDGE
    assert after(after(breaker, ANSWERS["404"]), ANSWERS["edge"]).cause is None


def test_calls_that_were_under_way_together_count_as_one_pause_of_the_guard():
    breaker = after(Breaker(), errors.RateLimited(status=429))
    for second in range(1, 20):
        late = NOW + second * SECOND
        breaker = after(breaker, errors.RateLimited(status=429), now=late, called_at=NOW - SECOND)
    assert breaker.probe_at == NOW + 19 * SECOND + timedelta(minutes=1)


def guarded(breaker, times, retry_at=None):
    """Return the breaker after 429s, one at each probe, and the minutes that it paused."""
    minutes, at = [], breaker.probe_at or NOW
    for _ in range(times):
        breaker = after(breaker, errors.RateLimited(status=429, retry_at=retry_at), now=at)
        minutes.append((breaker.probe_at - at) / timedelta(minutes=1))
        at = breaker.probe_at
    return breaker, minutes


def test_pauses_of_the_guard_double_up_to_five_minutes():
    assert guarded(Breaker(), 5)[1] == [1, 2, 4, 5, 5]


def test_pauses_of_the_guard_start_anew_after_another_cause_and_a_429_with_a_time():
    breaker, _ = guarded(Breaker(), 3)
    told = after(breaker, errors.RateLimited(retry_at=NOW + HOUR), now=breaker.probe_at)
    assert guarded(told, 2)[1] == [1, 2]
    key = after(breaker, errors.Unauthorized("key"), now=breaker.probe_at)
    assert guarded(key, 2)[1] == [1, 2]


def test_no_call_waits_longer_than_an_hour_for_its_probe():
    breaker = after(Breaker(), errors.RateLimited("quota", retry_at=NOW + 20 * HOUR))
    assert breaker.probe_at == NOW + HOUR


def test_a_reported_quota_is_probed_hourly_and_a_success_disproves_it():
    notice = RateLimitNotice(Stamp(NOW, "e"), NOW + 20 * HOUR)
    assert Breaker().blocked_until(NOW, notice) == NOW + HOUR
    probing = Breaker().leaving(NOW + HOUR, notice)
    assert probing.blocked_until(NOW + HOUR, notice) == NOW + 2 * HOUR
    assert probing.open_for(NOW + HOUR, notice) == (Cause.RATE_LIMITED, NOW, NOW + 2 * HOUR)
    free = after(probing, None, now=NOW + HOUR + SECOND, called_at=NOW + HOUR)
    assert free.blocked_until(NOW + HOUR + SECOND, notice) is None
    assert free.open_for(NOW + HOUR + SECOND, notice) is None
    newer = RateLimitNotice(Stamp(NOW + 2 * HOUR, "e2"), NOW + 20 * HOUR)
    assert free.blocked_until(NOW + 2 * HOUR, newer) == NOW + 3 * HOUR


def test_its_times_and_words_are_those_of_items_and_documents_that_exist():
    assert (LEAST_PAUSE, PROBE_EVERY) == (10 * SECOND, 300 * SECOND)
    assert " ".join(Cause) == "unauthorized wrong_client forbidden rate_limited edge"


def by_edges(count, breaker=None):
    breaker = breaker or Breaker()
    for _ in range(count):
        breaker = after(breaker, ANSWERS["edge"])
    return breaker


@pytest.mark.parametrize(
    ("breaker", "cause"),
    [
        (after(Breaker(), errors.Unauthorized("key")), Cause.UNAUTHORIZED),
        (refused_by("c1", "c2", "c3"), Cause.FORBIDDEN),
        (by_edges(10), Cause.EDGE),
    ],
)
def test_while_it_is_open_it_says_why_since_when_and_until_when(breaker, cause):
    assert breaker.open_for(NOW + SECOND, None) == (cause, NOW, NOW + PROBE_EVERY)
    later = NOW + HOUR
    assert breaker.open_for(later, None) == (cause, NOW, later)  # the probe may leave now
    assert Breaker().open_for(NOW, None) is None


def test_a_reset_event_closes_it_with_the_next_call():
    breaker, _ = guarded(Breaker(), 3)
    new = reset(Stamp(NOW + HOUR, "e"))
    assert breaker.open_for(NOW + HOUR, new) is None
    assert breaker.leaving(NOW + HOUR, new) == Breaker()
    key = after(Breaker(), errors.Unauthorized("key"))
    assert key.open_for(NOW + HOUR, new).cause is Cause.UNAUTHORIZED


@pytest.mark.parametrize("half_hours", [1, 4])
def test_a_reported_quota_is_probed_when_it_is_over_at_the_latest(half_hours):
    until = NOW + half_hours * HOUR / 2
    notice = RateLimitNotice(Stamp(NOW, "e"), until)
    assert Breaker().blocked_until(NOW, notice) == min(until, NOW + HOUR)
    assert Breaker().probing(until - SECOND, notice)
    assert not Breaker().probing(until, notice)


def test_only_a_success_since_the_notice_disproves_it():
    notice = RateLimitNotice(Stamp(NOW, "e"), NOW + HOUR)
    assert Breaker(disproved_at=NOW).probing(NOW, notice)
    assert not Breaker(disproved_at=NOW + SECOND).probing(NOW, notice)


def test_a_success_beside_a_notice_leaves_no_probe_behind():
    notice = RateLimitNotice(Stamp(NOW, "e"), NOW + 20 * HOUR)
    probing = Breaker().leaving(NOW + HOUR, notice)
    assert after(probing, None, now=NOW + HOUR) == Breaker(disproved_at=NOW + HOUR)


def test_a_key_that_stays_refused_keeps_the_time_it_was_refused_first():
    breaker = after(Breaker(), ANSWERS["401"])
    assert after(breaker, ANSWERS["401"], now=NOW + HOUR).opened_at == NOW


def test_after_an_answer_of_codats_edges_are_counted_from_the_first():
    breaker = after(by_edges(9), ANSWERS["404"])
    assert by_edges(9, breaker).cause is None
    assert by_edges(10, breaker).cause is Cause.EDGE


def test_a_busy_company_is_a_success_of_the_client():
    breaker = after(refused_by("c1", "c2"), ANSWERS["busy"])
    assert after(breaker, errors.Forbidden("plan"), "c3").cause is None


def test_refusals_of_companies_open_nothing_while_the_key_is_refused():
    breaker = after(refused_by("c1", "c2"), ANSWERS["401"])
    refused = after(breaker, ANSWERS["403"], "c3")
    assert refused.cause is Cause.UNAUTHORIZED
    closed = after(refused, ANSWERS["404"], now=NOW + SECOND)
    assert (closed.cause, closed.refused) == (None, ("c1", "c2", "c3"))


def test_what_a_success_disproved_stays_disproved_when_it_closes():
    breaker = after(Breaker(disproved_at=NOW), ANSWERS["401"])
    assert after(breaker, None, now=NOW + SECOND) == Breaker(disproved_at=NOW)
