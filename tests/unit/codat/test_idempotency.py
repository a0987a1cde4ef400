"""The next key: by examples, then against a model of the keys that Codat remembers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codat_hub.codat import errors
from codat_hub.codat.domain.idempotency import (
    REMEMBERED_FOR,
    TRUSTED_FOR,
    Fate,
    HeldKey,
    KeyPlan,
    fate,
    key_after,
    plan_key,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

ANSWERED = [
    errors.Busy(status=400),
    errors.StillSyncing(status=409),
    errors.Permanent(status=400),
    errors.KeyReused(status=422),
    errors.Unauthorized(status=401),
    errors.Forbidden(status=402),
    errors.NotFound(status=404),
    errors.TryLater(status=503),
]
UNKNOWN = [
    errors.OutcomeUnknown(),
    errors.OutcomeUnknown(status=409),
    errors.OutcomeUnknown(status=202),
    errors.NotUnderstood(),
]
NEVER_KEPT = [
    errors.RateLimited(status=429),
    errors.TryLater("no API key for now"),
    errors.Unauthorized("no API key at all"),
]


def ids():
    numbers = count(1)
    return lambda: f"key-{next(numbers)}"


def test_the_first_call_takes_a_fresh_key_and_its_time():
    plan = plan_key(None, NOON, ids())

    assert plan == KeyPlan("key-1", HeldKey("key-1", open_since=NOON), before=None)


@pytest.mark.parametrize("failure", [None, *ANSWERED], ids=repr)
def test_an_answer_spends_the_key_because_codat_would_replay_it(failure):
    new_id = ids()
    plan = plan_key(None, NOON, new_id)

    assert key_after(plan, failure) is None
    assert plan_key(key_after(plan, failure), NOON, new_id).value == "key-2"


@pytest.mark.parametrize("failure", UNKNOWN, ids=repr)
def test_a_call_without_an_answer_repeats_its_key_and_keeps_its_time(failure):
    new_id = ids()
    kept = key_after(plan_key(None, NOON, new_id), failure)
    again = plan_key(kept, NOON + 5 * MINUTE, new_id)

    assert again.key == HeldKey("key-1", open_since=NOON)
    assert again.unresolved_since is None


@pytest.mark.parametrize("failure", NEVER_KEPT, ids=repr)
def test_a_rate_limited_or_unsent_call_keeps_its_key_after_any_wait(failure):
    new_id = ids()
    kept = key_after(plan_key(None, NOON, new_id), failure)
    tomorrow = plan_key(kept, NOON + timedelta(hours=12), new_id)

    assert tomorrow.key == HeldKey("key-1", open_since=NOON + timedelta(hours=12))
    assert tomorrow.unresolved_since is None


def test_a_429_after_a_lost_answer_does_not_make_the_lost_answer_known():
    new_id = ids()
    lost = key_after(plan_key(None, NOON, new_id), errors.OutcomeUnknown())
    limited = key_after(plan_key(lost, NOON + MINUTE, new_id), errors.RateLimited(status=429))
    late = plan_key(limited, NOON + 86 * MINUTE, new_id)

    assert limited == HeldKey("key-1", open_since=NOON)
    assert late.unresolved_since == NOON


@pytest.mark.parametrize(("age", "same"), [(TRUSTED_FOR, True), (TRUSTED_FOR + MINUTE, False)])
def test_after_85_minutes_the_key_is_fresh_and_the_old_call_is_unresolved(age, same):
    plan = plan_key(HeldKey("old", open_since=NOON), NOON + age, ids())

    assert (plan.value == "old") is same
    assert plan.unresolved_since == (None if same else NOON)


def test_after_an_answer_that_nobody_understands_the_key_is_fresh_and_the_call_unresolved():
    new_id = ids()
    kept = key_after(plan_key(None, NOON, new_id), errors.NotUnderstood(status=200))
    again = plan_key(kept, NOON + 5 * MINUTE, new_id)

    assert (again.value, again.unresolved_since) == ("key-2", NOON)


@pytest.mark.parametrize("failure", [*ANSWERED, *UNKNOWN, *NEVER_KEPT], ids=repr)
def test_an_unresolved_call_stays_unresolved_until_a_call_succeeds(failure):
    new_id = ids()
    plan = plan_key(HeldKey("old", open_since=NOON), NOON + 2 * REMEMBERED_FOR, new_id)
    again = plan_key(key_after(plan, failure), NOON + 4 * REMEMBERED_FOR, new_id)

    assert again.unresolved_since == NOON
    assert key_after(again, None) is None


def test_a_process_that_dies_in_its_call_leaves_a_key_that_is_repeated():
    persisted = plan_key(None, NOON, ids()).key

    assert plan_key(persisted, NOON + MINUTE, ids()).key == persisted


def test_a_clock_that_went_back_does_not_make_a_key_old():
    plan = plan_key(HeldKey("held", open_since=NOON), NOON - timedelta(hours=3), ids())

    assert plan.value == "held"


# A model of Codat: the reads that it accepted, and the answers that it remembers.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["accept", "busy", "fail", "limit", "lose answer", "lose request", "die"]),
        st.integers(min_value=0, max_value=120),
    ),
    min_size=1,
    max_size=30,
)


class Codat:
    """Remembers every answer but a 429 for 90 minutes, and counts the reads that it started."""

    def __init__(self):
        self.answers = {}
        self.accepted = []

    def call(self, key, event, now):
        """Return the answer, None for a success, and whether it is a replay."""
        known = self.answers.get(key)
        if known and now - known[1] < REMEMBERED_FOR:
            return known[0], True
        if event == "limit":
            return errors.RateLimited(status=429), False
        answer = {"busy": errors.Busy(status=400), "fail": errors.TryLater(status=500)}.get(event)
        if answer is None:
            self.accepted.append(now)
        self.answers[key] = (answer, now)
        return answer, False


@given(STEPS)
def test_nothing_happens_twice_unseen_and_no_stale_refusal_is_replayed(steps):
    codat, new_id = Codat(), ids()
    held, now, refused = None, NOON, set()
    for event, wait in steps:
        plan = plan_key(held, now, new_id)
        held = plan.key
        unresolved = plan.unresolved_since is not None
        accepted_before = len(codat.accepted)
        assert plan.value not in refused, "a refusal we saw would only be replayed"
        if event == "lose request":
            held = key_after(plan, errors.OutcomeUnknown())
        else:
            answer, _ = codat.call(plan.value, event, now)
            if event == "lose answer":
                held = key_after(plan, errors.OutcomeUnknown())
            elif event != "die":
                held = key_after(plan, answer)
                if answer is None:
                    break
                if not isinstance(answer, errors.RateLimited):
                    refused.add(plan.value)
        if accepted_before and len(codat.accepted) > accepted_before:
            assert unresolved, "a second acceptance is possible only after an unresolved call"
            break
        now += wait * MINUTE


@given(
    st.one_of(st.none(), st.text(min_size=1)),
    st.one_of(st.none(), st.datetimes(timezones=st.just(UTC))),
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from([None, *ANSWERED, *UNKNOWN, *NEVER_KEPT]),
)
def test_every_outcome_has_a_fate_and_what_is_held_follows_from_it(value, since, now, failure):
    plan = plan_key(HeldKey(value, since), now, lambda: "fresh")
    kept = key_after(plan, failure)

    match fate(failure):
        case Fate.SPENT:
            assert kept is None or kept.value is None
        case Fate.OPEN:
            assert kept == plan.key
            assert kept.open_since is not None
        case Fate.FREE:
            assert kept.value == plan.value
            assert kept.open_since in {None, since}
