"""A scripted execution of the migration's definition: only the function's answers are scripted.

What is compared between interpreters is a `Way`: it has nothing in it that AWS leaves open.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from codat_hub.migration.usecases.context import StepResult
from tests.support.migration.asl_walker import Failed, Walker
from tests.support.migration.world import DEFINITION


@dataclass(frozen=True)
class Says:
    """The answer of a step, or of a person."""

    next: str = "done"
    error: str = ""  # the name of the error that it raises instead
    loses_manifest: bool = False  # from now on the Maps of its direction find no manifest
    lists_nothing: bool = False  # its list of companies is empty
    leaves_waiting: bool = False  # the person never answers


@dataclass(frozen=True)
class Scenario:
    """A path through the definition. Its expectation is independent of the definition.

    end: status of the execution, and its error
    steps: what is asked for, in order: steps, people by what they are waited for, and `wait`
    forward, back: what each step says in turn; behind that, `done`
    waits: what people say in turn; behind that, an answer
    """

    name: str
    end: str
    steps: list[str]
    forward: Mapping[str, list[Says]] = field(default_factory=dict)
    back: Mapping[str, list[Says]] = field(default_factory=dict)
    waits: Mapping[str, list[Says]] = field(default_factory=dict)
    entry: str = "start"
    chunks: int = 1

    @property
    def state(self):
        """The input of the execution, as the use case gives it."""
        return {"contract": 1, "entry": self.entry, "migration_id": self.name, "epoch": 1}

    @property
    def manifests(self):
        """The manifests that the Maps of each direction read, by key."""
        chunks = [{"name": f"listing-{number:06}", "members": []} for number in range(self.chunks)]
        return {self.manifest(direction): chunks for direction in ("apply", "compensate")}

    def manifest(self, direction):
        return f"{self.name}/{direction}.json"


@dataclass(frozen=True)
class Way:
    """states: of the top level, in order; calls: what the function was given, in order."""

    end: str
    cause: str | None
    states: list[str]
    calls: list[dict]


class Script:
    """The function of one execution. lose(key): of a manifest; resume(token): of a wait."""

    def __init__(self, scenario, lose, resume):
        self.scenario, self.lose, self.resume = scenario, lose, resume
        scripts = {"apply": scenario.forward, "compensate": scenario.back, "wait": scenario.waits}
        self.left = {
            (part, what): list(said)
            for part, script in scripts.items()
            for what, said in script.items()
        }
        self.calls = []

    def __call__(self, payload):
        """Return a StepResult as JSON. Raises Failed."""
        self.calls.append(_comparable(payload))
        asked = payload["direction"], payload["step"]
        if "token" in payload:
            asked = "wait", payload["waiting_for"]
        left = self.left.get(asked)
        says = left.pop(0) if left else Says()
        manifest = self.scenario.manifest(payload["direction"])
        if says.loses_manifest:
            self.lose(manifest)
        if says.error:
            raise Failed(says.error, "as the scenario says")
        if "token" in payload and not says.leaves_waiting:
            self.resume(payload["token"])
        return asdict(
            StepResult(
                says.next,
                manifest=manifest,
                listing="listing",
                epoch=2,
                cause=says.next,
                listed="nothing" if says.lists_nothing else "companies",
            )
        )

    def way(self, ended, visited):
        """Return the way of an execution. `ended`: its description by Step Functions."""
        unsaid = [asked for asked, left in self.left.items() if left]
        assert not unsaid, f"{self.scenario.name}: asked less often than scripted"
        return Way(
            end=" ".join(filter(None, (ended["status"], ended.get("error")))),
            cause=ended.get("cause"),
            states=[name for name in visited if name in DEFINITION["States"]],
            calls=_in_order(self.calls),
        )


def on_aws(scenario, s3, bucket, states):
    """Return a script with its manifests in a bucket and its waits ended by `states`."""
    for key, chunks in scenario.manifests.items():
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(chunks).encode())
    return Script(
        scenario,
        lose=lambda key: s3.delete_object(Bucket=bucket, Key=key),
        resume=lambda token: states.send_task_success(taskToken=token, output="{}"),
    )


def walk(scenario):
    """Return the walker's way, which must be the expected one, and its transitions."""
    manifests, tokens, steps = scenario.manifests, set(), []
    script = Script(scenario, lose=manifests.pop, resume=tokens.add)

    def invoke(payload):
        steps.append(payload.get("waiting_for") or payload["step"])
        return script(payload)

    walker = Walker(
        DEFINITION,
        invoke,
        manifests.get,
        wait=lambda seconds: steps.append("wait"),
        on_token=lambda waiting_for, token: token in tokens,
    )
    try:
        walker.run(scenario.state)
        ended = {"status": "SUCCEEDED"}
    except Failed as failure:
        ended = {"status": "FAILED", "error": failure.error, "cause": failure.cause}
    way = script.way(ended, walker.visited)
    assert (way.end, steps) == (scenario.end, scenario.steps), scenario.name
    return way, walker.taken


def transitions(states=DEFINITION["States"]):
    """Return every transition of the definition, in the form that the walker records."""
    found = set()
    for name, state in states.items():
        found |= {(name, how, state[how]) for how in ("Next", "Default") if how in state}
        found |= {(name, "Choice", choice["Next"]) for choice in state.get("Choices", [])}
        found |= {(name, "Catch", catcher["Next"]) for catcher in state.get("Catch", [])}
        if state["Type"] == "Map":
            found |= transitions(state["ItemProcessor"]["States"])
    return found


def _comparable(payload):
    """Leave out tokens and texts of errors, which differ between interpreters."""

    def without(found):
        return {name: found[name] for name in found if name not in {"token", "Cause"}}

    return json.loads(json.dumps(payload), object_hook=without)


def _in_order(calls):
    """Put the calls of each Map into the order of its chunks, which run at once."""
    ordered = []
    for of_a_map, group in itertools.groupby(calls, key=lambda call: "chunk" in call):
        some = list(group)
        ordered += sorted(some, key=lambda call: call["chunk"]["name"]) if of_a_map else some
    return ordered
