"""The interpreter on a virtual clock goes the way of the walker, and retries take time."""

import random

import pytest

from tests.support.migration.scenarios import SCENARIOS
from tests.support.migration.script import Script, walk
from tests.support.migration.world import DEFINITION
from tools.simulation.state_machine import Execution, Failed

RETRY = {
    "ErrorEquals": ["Busy"],
    "IntervalSeconds": 2,
    "BackoffRate": 2.0,
    "MaxAttempts": 4,
    "MaxDelaySeconds": 10,
}
TASK = {"Type": "Task", "Resource": "lambda", "Parameters": {"Payload": {}}, "Next": "End"}


def raising(failure):
    raise failure


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_it_goes_the_same_way_as_the_walker(scenario):
    manifests, tokens = scenario.manifests, set()
    script = Script(scenario, lose=manifests.pop, resume=tokens.add)

    def invoke(payload):
        try:
            return script(payload)
        except Exception as failure:  # the walker's own class
            raise Failed(failure.error, failure.cause) from failure

    execution = Execution(
        DEFINITION,
        invoke=invoke,
        read=manifests.get,
        wait=lambda seconds: None,
        on_token=lambda waiting_for, token: token in tokens,
        chance=random.Random(0),
    )
    try:
        execution.run(scenario.state)
        ended = {"status": "SUCCEEDED"}
    except Failed as failure:
        ended = {"status": "FAILED", "error": failure.error, "cause": failure.cause}
    ended["cause"] = walk(scenario)[0].cause and ended.get("cause")
    assert script.way(ended, execution.visited) == walk(scenario)[0]


def waits_of(retry, chance=0):
    waits = []
    definition = {
        "StartAt": "Do",
        "States": {"Do": TASK | {"Retry": [retry]}, "End": {"Type": "Succeed"}},
    }
    execution = Execution(
        definition,
        invoke=lambda payload: raising(Failed("Busy", "")),
        read=None,
        wait=waits.append,
        on_token=None,
        chance=random.Random(chance),
    )
    with pytest.raises(Failed, match="Busy"):
        execution.run({})
    return waits


def test_a_retry_waits_longer_each_time_up_to_its_limit():
    assert waits_of(RETRY) == [2, 4, 8, 10]


def test_full_jitter_is_drawn_from_the_seed():
    jitter = RETRY | {"JitterStrategy": "FULL"}
    assert waits_of(jitter) == waits_of(jitter) != waits_of(jitter, chance=1)
    assert all(wait <= most for wait, most in zip(waits_of(jitter), (2, 4, 8, 10), strict=True))


def test_an_unknown_field_is_refused():
    with pytest.raises(AssertionError):
        waits_of(RETRY | {"Surprise": 1})
