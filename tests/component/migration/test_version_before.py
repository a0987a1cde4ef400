"""A migration that the version before began goes on under this one, and can be rolled back.

Step Functions keeps an execution at the definition that it was started with, and calls the new
function by its alias. The items of the ledger are those of the version before, at each state.
"""

import json
from datetime import datetime

import httpx
import pytest

from codat_hub.codat.adapters.api_key import ApiKey
from codat_hub.storage.items import ItemKey, Listed
from tools.samconfig import ROOT
from tools.simulation.migration_world import MigrationWorld
from tools.simulation.silence import silence

FOLDER = ROOT / "tests" / "support" / "written_before" / "executions"
DEFINITION = json.loads((FOLDER / "migration.asl.json").read_text())
BEGUN = json.loads((FOLDER / "migration.json").read_text())
POINTS = {point["state"]: point for point in BEGUN["points"]}
BACK = {"RemoveProducts", "UnsubscribeNewWebhooks", "ResubscribeOldWebhooks", "ReenableCompanySync"}
FORWARD = sorted(set(POINTS) - BACK - {"Complete"})


@pytest.fixture
def world():
    world = MigrationWorld(companies=BEGUN["companies"])
    world.before = world.codat_now()
    yield world
    world.close()


def begun(world, point):
    """Bring Codat, the ledger and the manifests to where the version before had brought them."""
    made = _repeat(world, BEGUN["calls"][: point["calls"]])
    text = json.dumps(BEGUN["pool"])
    for before, now in made.items():
        text = text.replace(before, now)
    pool = json.loads(text)
    for item in (pool[number] for number in point["items"]):
        key, listed = ItemKey(item["pk"], item["sk"]), item["listed"] and Listed(*item["listed"])
        assert world.table.put(key, item["attributes"], world.table.get(key).version, listed)
        world.table.items[key] = (item["attributes"], item["version"], listed)
    world.manifests.kept = dict(pool[number] for number in point["manifests"])
    world.signing_secrets.accepted = {name: list(it) for name, it in point["secrets"].items()}
    world.migration_id = BEGUN["migration_id"]
    world.pass_time((datetime.fromisoformat(point["at"]) - world.now()).total_seconds())


def _repeat(world, calls):
    """Repeat what the version before changed at Codat; return the new ids of its consumers."""
    made = {}
    headers = {"Authorization": ApiKey(world.sandbox.options.api_key).authorization()}
    for call in calls:
        path = call["path"]
        for before, now in made.items():
            path = path.replace(before, now)
        url = f"http://localhost{path}"
        request = httpx.Request(call["method"], url, json=call["body"], headers=headers)
        answer = world.wire.send(request)
        assert answer.status_code == call["status"], (call, answer.text)
        if call["made"]:
            made[call["made"]] = answer.json()["id"]
    return made


def roll_back(world):
    with silence():
        world.migrations.rollback(world.migration_id, "olive")
        return world._go()


@pytest.mark.parametrize("state", FORWARD)
def test_it_goes_on_and_can_be_rolled_back(world, state):
    point = POINTS[state]
    begun(world, point)
    with silence():
        run = world.resume(point["execution"], point["data"], DEFINITION, state)
    assert (run.status, run.error) == ("complete", None)
    assert all(set(run.request.products) <= set(it.products) for it in _companies(world))
    assert roll_back(world).status == "rolled_back"
    assert world.codat_now() == world.before


@pytest.mark.parametrize("state", FORWARD)
def test_a_rollback_from_the_middle_restores_everything(world, state):
    point = POINTS[state]
    begun(world, point)
    world.executions.status[point["execution"]] = "RUNNING"
    assert roll_back(world).status in {"rolled_back", "failed"}
    assert world.codat_now() == world.before


def test_a_complete_one_can_be_rolled_back(world):
    begun(world, POINTS["Complete"])
    assert roll_back(world).status == "rolled_back"
    assert world.codat_now() == world.before


@pytest.mark.parametrize("state", sorted(BACK))
def test_its_rollback_goes_on(world, state):
    point = POINTS[state]
    begun(world, point)
    with silence():
        run = world.resume(point["execution"], point["data"], DEFINITION, state)
    assert run.status == "rolled_back"
    assert world.codat_now() == world.before


def _companies(world):
    return world.state.companies.values()
