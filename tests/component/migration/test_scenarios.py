"""The migration's scenarios on the walker and on moto's interpreter, and their coverage."""

import boto3
import pytest

from tests.support.aws import REGION
from tests.support.migration import asl
from tests.support.migration.scenarios import SCENARIOS
from tests.support.migration.script import on_aws, transitions, walk
from tests.support.migration.world import DEFINITION, deployed

BUCKET = "manifests"


def test_together_they_end_as_they_should_and_take_every_transition():
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))
    visited, taken = set(), set()
    for scenario in SCENARIOS:
        way, on_the_way = walk(scenario)
        visited |= set(way.states)
        taken |= on_the_way
    assert visited == set(DEFINITION["States"])
    assert taken == transitions()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_moto_goes_the_same_way_as_the_walker(scenario):
    def invoke(payload):
        return script(payload)

    with asl.interpreter(invoke, []) as states:
        s3 = boto3.client("s3", region_name=REGION)
        where = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        script = on_aws(scenario, s3, BUCKET, states)
        # moto counts the function's own time too, which is long on a busy machine.
        silent = any(says.leaves_waiting for said in scenario.waits.values() for says in said)
        definition = deployed(asl.FUNCTION, BUCKET, token_seconds=1 if silent else 30)
        machine = asl.create(states, definition)
        found = asl.run(states, machine, scenario.name, scenario.state)
        way = script.way(found, asl.visited(states, found))
    assert way == walk(scenario)[0]
