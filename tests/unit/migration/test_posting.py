from datetime import timedelta

import pytest

from codat_hub.codat.errors import OutcomeUnknown, Permanent, RateLimited, TryLater
from codat_hub.migration.steps.posting import post
from codat_hub.migration.usecases.context import call_key

CHANGE = "CLIENT"


def sent(world, failure=None, minutes=1):
    """Return the key of one POST."""
    keys = []

    def send(key):
        kept = world.entry("KEY#CLIENT").detail  # as in the ledgers of runs that exist
        assert kept["value"] == key  # before the call
        keys.append(key)
        if failure:
            raise failure

    try:
        post(world.context, world.command(), CHANGE, send)
    except type(failure or AssertionError()):
        pass
    world.now += timedelta(minutes=minutes)
    return keys[0]


def test_what_codat_answered_is_returned(world):
    assert post(world.context, world.command(), CHANGE, lambda _key: "made") == "made"


def test_the_first_key_is_that_of_the_version_before(world):
    assert sent(world) == call_key(world.command(), CHANGE)


@pytest.mark.parametrize(
    "failure", [None, TryLater("down", status=503), Permanent("no", status=400)]
)
def test_a_key_is_fresh_after_an_answer(world, failure):
    assert len({sent(world, failure), sent(world, failure), sent(world)}) == 3


@pytest.mark.parametrize(
    "failure", [RateLimited("quota", status=429), OutcomeUnknown("cut"), TryLater("not sent")]
)
def test_a_key_is_kept_without_an_answer_and_after_a_429(world, failure):
    assert sent(world, failure) == sent(world, failure) == sent(world)


def test_a_key_without_an_answer_is_given_up_when_codat_may_have_forgotten_it(world):
    first = sent(world, OutcomeUnknown("cut"), minutes=86)
    assert sent(world) != first


def test_a_409_is_an_answer_once_no_call_can_be_in_flight(world):
    in_flight = OutcomeUnknown("the key is in use", status=409)
    first = sent(world, in_flight, minutes=2)
    assert sent(world, in_flight) == first
    assert sent(world) != first


def test_a_process_that_dies_in_the_call_leaves_its_key(world):
    def dies(key):
        raise SystemExit

    with pytest.raises(SystemExit):
        post(world.context, world.command(), CHANGE, dies)
    assert sent(world) == call_key(world.command(), CHANGE)
