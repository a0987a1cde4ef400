"""Runs of the real steps under moto's interpreter, and rules that the definition keeps.

Its single ways are the scenarios of tests/support/migration/scenarios.py.
"""

import copy
import json

import boto3
import pytest

from codat_hub.migration.usecases.step_table import STEPS
from tests.support.aws import REGION
from tests.support.migration import asl
from tests.support.migration.asl_walker import Failed
from tests.support.migration.world import DEFINITION, OPERATOR, World, deployed

BUCKET = "manifests"


class OnMoto(World):
    """A world whose executions run on moto, with manifests in its S3."""

    def __init__(self, **options):
        super().__init__(**options)
        self.backoffs = []

    def begin(self, client):
        self.client = client
        self.s3 = boto3.client("s3", region_name=REGION)
        where = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        self.manifests.put = self._put
        self.machine = asl.create(client, deployed(asl.FUNCTION, BUCKET))

    def _put(self, key, value):
        type(self.manifests).put(self.manifests, key, value)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(value).encode())

    def walk(self, name, state):
        found = asl.run(self.client, self.machine, name, state)
        self.visited += asl.visited(self.client, found)
        error = f" {found.get('error')}" if found["status"] != "SUCCEEDED" else ""
        self.ends[name] = f"{found['status']}{error}"
        self.executions.status[name] = found["status"]
        if found["status"] != "SUCCEEDED":
            self.watch.ended(name)

    def invoke(self, payload):
        answer = super().invoke(payload)
        if "token" in payload:
            self.pauses.append(payload["waiting_for"])
            self.executions.resume = self._resume
            self.operator(payload["waiting_for"])
        return answer

    def _resume(self, token):
        self.client.send_task_success(taskToken=token, output="{}")
        return True


@pytest.fixture
def on_moto(environment):
    worlds = []
    waits = []

    def make(**options):
        world = OnMoto(**options)
        worlds.append(world)
        world.begin(client)
        return world

    def invoke(payload):
        while waits:  # time passes when the next step looks
            kind, seconds = waits.pop(0)
            if kind == "wait":
                worlds[-1].pass_time(seconds)
            else:
                worlds[-1].backoffs.append(seconds)
        return worlds[-1].invoke(payload)

    with asl.interpreter(invoke, waits) as client:
        yield make
    for world in worlds:
        world.close()


def failing(step, direction="apply", times=10**6, error="Permanent"):
    left = [times]

    def around(call, payload):
        if (payload["step"], payload["direction"]) == (step, direction) and left[0]:
            left[0] -= 1
            raise Failed(error, "broken")
        return call(payload)

    return around


@pytest.mark.parametrize("mode", ["api", "portal"])
def test_both_interpreters_take_the_same_way_through_a_whole_run_and_back(on_moto, worlds, mode):
    ways = []
    for world in (on_moto(), worlds()):
        before = world.codat_now()
        run = world.migrate(mode=mode)
        assert (run.status, world.ends[run.execution]) == ("complete", "SUCCEEDED")
        world.migrations.rollback(run.migration_id, OPERATOR)
        run = world.go()
        assert (run.status, world.ends[run.execution]) == ("rolled_back", "SUCCEEDED")
        assert world.codat_now() == before
        ways.append([state for state in world.visited if "Chunk" not in state])
    moto, ours = ways
    assert moto == ours


def test_a_dry_run(on_moto):
    world = on_moto()
    assert world.migrate(dry_run=True).status == "planned"
    assert world.visited[-1] == "Planned"


@pytest.mark.parametrize(
    ("step", "end", "status"),
    [
        ("finish_plan", "FAILED FailedBeforeAnyChange", "failed"),
        ("disable_company_sync", "FAILED RolledBack", "rolled_back"),
        ("disable_old_webhooks", "FAILED RolledBack", "rolled_back"),
        ("configure_new_webhooks", "FAILED RolledBack", "rolled_back"),
        ("add_products", "FAILED RolledBack", "rolled_back"),
        ("verify_reads", "SUCCEEDED", "complete"),
        ("complete", "FAILED CompletionNotNoted", "complete"),
    ],
)
def test_a_failure_enters_the_undo_of_its_activity(on_moto, step, end, status):
    world = on_moto()
    before = world.codat_now()
    world.around = failing(step)
    run = world.migrate()
    assert (world.ends[run.migration_id], run.status) == (end, status)
    if status != "complete":
        assert world.codat_now() == before


def test_transient_faults_back_off_and_pass(on_moto):
    world = on_moto()
    world.around = failing("disable_client_sync", times=4, error="TryLater")
    assert world.migrate().status == "complete"
    assert len(world.backoffs) == 4
    assert world.backoffs == [2, 4, 8, 16]


def test_an_undo_that_fails_ends_incomplete_and_a_rerun_finishes(on_moto):
    world = on_moto()
    before = world.codat_now()
    forward, back = failing("judge_products"), failing("configure_new_webhooks", "compensate")
    world.around = lambda call, payload: forward(lambda one: back(call, one), payload)
    run = world.migrate()
    assert (world.ends[run.migration_id], run.status) == (
        "FAILED RollbackIncomplete",
        "rollback_incomplete",
    )
    world.around = lambda call, payload: call(payload)
    world.migrations.rollback(run.migration_id, OPERATOR)
    assert world.go().status == "rolled_back"
    assert world.codat_now() == before


def test_an_operator_that_never_answers(on_moto):
    world = on_moto()
    before = world.codat_now()
    impatient = deployed(asl.FUNCTION, BUCKET, token_seconds=1)
    world.client.update_state_machine(
        stateMachineArn=world.machine, definition=json.dumps(impatient)
    )
    world.operator = lambda what: what == "signing_secret" or world.willing(what)
    run = world.migrate()
    assert run.status == "rolled_back"
    assert "States.Timeout" in run.error
    assert world.codat_now() == before


def test_a_rollback_stops_if_codat_was_changed_since(on_moto):
    world = on_moto()
    run = world.migrate()
    world.state.client_settings.settings[0].sync_schedule = 12
    world.migrations.rollback(run.migration_id, OPERATOR)
    run = world.go()
    assert world.ends[run.execution] == "FAILED ChangedSince"


def test_a_changed_plan_asks_again_and_a_late_company_is_included(on_moto):
    world = on_moto()

    def operator(waiting_for):
        first = world.pauses == ["approval"]
        world.willing(waiting_for)
        if first:
            world.state.client_settings.settings[0].sync_schedule = 12

    def around(call, payload):
        if payload["step"] == "begin_products":
            made = world.codat_client.create_company("Late Ltd").value
            world.consent(made.id, "lending")
        return call(payload)

    world.operator, world.around = operator, around
    assert world.migrate().status == "complete"
    assert world.pauses.count("approval") == 2
    assert "AddLateProducts" in world.visited
    (late,) = [company for company in world.state.companies.values() if company.name == "Late Ltd"]
    assert late.products == ["lending"]


def test_used_up_quota_is_waited_for(on_moto):
    world = on_moto()
    refuse = {"path": "/products/", "method": "PUT", "status": 429, "times": 1}
    world.portal_call("/faults", refuse | {"headers": {"Retry-After": "7200"}})
    assert world.migrate().status == "complete"
    assert 7201 in world.waited


class TestDefinition:
    """Rules that no interpreter checks."""

    def test_every_task_has_a_timeout_a_retry_for_an_hour_and_a_catch(self):
        seen = 0
        for name, state in every_state(DEFINITION["States"]):
            if state["Type"] != "Task":
                continue
            seen += 1
            assert state["TimeoutSeconds"] > 0, name
            (retrier,) = state["Retry"]
            assert lasts(retrier) >= 3600, name
            assert retrier["MaxDelaySeconds"] <= 300, name
            assert "States.ALL" not in retrier["ErrorEquals"], name
            assert {"TryLater", "Unavailable", "OutcomeUnknown"} <= set(retrier["ErrorEquals"])
            # The name of the error if a function is killed, such as for its memory.
            assert "Runtime.ExitError" in retrier["ErrorEquals"]
            assert not {"Superseded", "StepFailed", "Permanent"} & set(retrier["ErrorEquals"])
            (catcher,) = state["Catch"]
            assert catcher["ErrorEquals"] == ["States.ALL"], name
        assert seen > 40

    def test_every_map_catches_and_its_children_answer_nothing(self):
        maps = [(n, s) for n, s in every_state(DEFINITION["States"]) if s["Type"] == "Map"]
        assert len(maps) == 9
        for name, state in maps:
            assert state["Catch"], name
            (retrier,) = state["Retry"]  # before a child has begun
            assert retrier["ErrorEquals"] == ["States.ItemReaderFailed"]
            assert lasts(retrier) >= 3600, name
            assert state["ResultPath"] is None
            assert state["ItemProcessor"]["States"][f"{name}ChunkOver"]["Result"] == {}
            # moto does not enforce tolerances, and the emulator ignores those given by a path
            assert not [field for field in state if field.startswith("Tolerated")]

    def test_no_state_is_unreachable_and_no_name_is_used_twice(self):
        names = [name for name, _ in every_state(DEFINITION["States"])]
        assert len(names) == len(set(names))
        assert reachable(DEFINITION) == set(DEFINITION["States"])
        for _, state in every_state(DEFINITION["States"]):
            if state["Type"] == "Map":
                inner = state["ItemProcessor"]
                assert reachable(inner) == set(inner["States"])

    def test_every_undo_ends_and_none_leads_forward(self):
        undo = reachable({"StartAt": "BeginRollback", "States": DEFINITION["States"]})
        forward = {"Plan", "Snapshot", "DisableClientSync", "AddProducts", "Complete"}
        assert not undo & forward
        ends = {
            state for state in undo if DEFINITION["States"][state]["Type"] in {"Succeed", "Fail"}
        }
        assert ends == {
            "RolledBack", "RolledBackOnDemand", "RollbackIncomplete", "FailedBeforeAnyChange",
            "ChangedSince",
        }  # fmt: skip
        for name in undo:  # from everywhere in the undo an end can be reached
            assert reachable({"StartAt": name, "States": DEFINITION["States"]}) & ends

    def test_steps_come_in_pairs_in_the_order_of_the_guide(self):
        pairs = {
            "AddProducts": "RemoveProducts",
            "ConfigureNewWebhooks": "UnsubscribeNewWebhooks",
            "DisableOldWebhooks": "ResubscribeOldWebhooks",
            "DisableClientSync": "ReenableClientSync",
            "DisableCompanySync": "ReenableCompanySync",
        }
        for forward, back in pairs.items():
            step = step_of(DEFINITION["States"][forward])
            assert step == step_of(DEFINITION["States"][back])
            assert step[0] != "begin_rollback"
        order = first_met("RemoveProducts", list(pairs.values()))
        assert order == list(pairs.values())

    def test_every_step_of_the_definition_exists_and_the_reverse(self):
        asked = set()
        for _, state in every_state(DEFINITION["States"]):
            if state["Type"] == "Task":
                payload = state["Parameters"]["Payload"]
                asked.add((payload["direction"], payload["step"]))
                assert payload["contract"] == 1
        assert asked == set(STEPS)

    def test_the_waits_for_a_person_end(self):
        waits = {
            state["Parameters"]["Payload"]["waiting_for"]: state["TimeoutSeconds"]
            for _, state in every_state(DEFINITION["States"])
            if state.get("Resource", "").endswith(".waitForTaskToken")
        }
        assert set(waits) == {
            "approval", "webhooks_disabled", "signing_secret", "webhooks_restored", "products_kept",
        }  # fmt: skip
        assert waits["signing_secret"] == 20 * 3600  # Codat retries for 28 h


def lasts(retrier):
    """Return for how many seconds a retrier tries at least."""
    assert "JitterStrategy" not in retrier  # with it, any number of tries may be over at once
    return sum(
        min(
            retrier["IntervalSeconds"] * retrier["BackoffRate"] ** attempt,
            retrier["MaxDelaySeconds"],
        )
        for attempt in range(retrier["MaxAttempts"])
    )


def every_state(states):
    for name, state in states.items():
        yield name, state
        if state["Type"] == "Map":
            yield from every_state(state["ItemProcessor"]["States"])


def following(state):
    nexts = [state.get("Next"), state.get("Default")]
    nexts += [choice["Next"] for choice in [*state.get("Choices", []), *state.get("Catch", [])]]
    return [one for one in nexts if one]


def reachable(machine):
    seen, todo = set(), [machine["StartAt"]]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += following(machine["States"][name])
    return seen


def step_of(state):
    if state["Type"] == "Map":
        state = state["ItemProcessor"]["States"][state["ItemProcessor"]["StartAt"]]
    return state["Parameters"]["Payload"]["step"]


def first_met(start, names):
    """Return these states in the order in which a run from `start` meets them."""
    met, name = [], start
    while name:
        if name in names:
            met.append(name)
        state = copy.deepcopy(DEFINITION["States"][name])
        name = state.get("Default") or state.get("Next")
    return met
