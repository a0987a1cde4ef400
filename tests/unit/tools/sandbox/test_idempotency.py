"""Idempotency keys keep answers for a time and refuse other requests."""

from datetime import timedelta

import pytest

from tests.support.sandbox.worlds import START
from tools.sandbox.requests.errors import CodatError
from tools.sandbox.requests.idempotency import LIFE, IdempotencyKeys, KeptAnswer

SOON = timedelta(seconds=1)


@pytest.fixture
def keys():
    return IdempotencyKeys({})


def carried_out(keys, key, status=200, at=START):
    assert keys.begin(key, "f", at) is None
    keys.finish(key, KeptAnswer(status, "{}"), at)


@pytest.mark.parametrize("status", [200, 202, 400, 409, 422, 500, 503])
def test_any_answer_is_kept_for_ninety_minutes(keys, status):
    carried_out(keys, "k", status)
    assert keys.begin("k", "f", START + LIFE - SOON).status == status
    assert keys.begin("k", "f", START + LIFE) is None


def test_a_429_is_not_kept(keys):
    carried_out(keys, "k", 429)
    assert keys.begin("k", "other", START) is None


def test_in_flight_is_409_and_another_body_is_422_even_in_flight(keys):
    keys.begin("k", "f", START)
    with pytest.raises(CodatError) as busy:
        keys.begin("k", "f", START)
    with pytest.raises(CodatError) as other:
        keys.begin("k", "g", START)
    assert (busy.value.status, other.value.status) == (409, 422)


def test_old_keys_are_forgotten_without_looking_at_the_young_ones(keys):
    for number in range(100):
        carried_out(keys, f"old{number}")
    carried_out(keys, "young", at=START + LIFE - SOON)
    keys.begin("new", "f", START + LIFE)
    assert set(keys.entries) == {"young", "new"}


def test_an_abandoned_key_is_free(keys):
    keys.begin("k", "f", START)
    keys.abandon("k")
    assert keys.begin("k", "g", START) is None
