"""A third, small interpreter of the definition, for the hundreds of runs of the fault matrix.

It knows the fields that our definition uses and fails on any other. All Lambdas are one callable,
waits are a callable, and `on_token` stands for the person that a task token waits for. Tests of the
scenarios (tests/support/migration/scenarios.py) hold it against moto's interpreter and the
emulator's.
"""

import json
import re
import uuid

_TASK = {"Type", "Comment", "Resource", "Parameters", "ResultSelector", "ResultPath"}
_TASK |= {"TimeoutSeconds", "Retry", "Catch", "Next"}
KNOWN = {
    "Task": _TASK,
    "Map": {"Type", "Comment", "ItemReader", "ItemSelector", "MaxConcurrency", "ItemProcessor"}
    | {"ResultPath", "Retry", "Catch", "Next"},
    "Choice": {"Type", "Comment", "Choices", "Default"},
    "Wait": {"Type", "Comment", "SecondsPath", "Next"},
    "Pass": {"Type", "Comment", "InputPath", "ResultPath", "Result", "End", "Next"},
    "Succeed": {"Type", "Comment"},
    "Fail": {"Type", "Comment", "Error", "Cause", "CausePath"},
}


class Failed(Exception):
    """An execution or a task ended with this error."""

    def __init__(self, error, cause):
        self.error, self.cause = error, cause
        super().__init__(f"{error}: {cause}")


class Aborted(Exception):
    """The execution was stopped."""


class Walker:
    """invoke(payload) -> answer, or raises; on_token(waiting_for, token) -> was it ended."""

    def __init__(self, definition, invoke, read, wait, on_token, stopped=lambda: False):
        self.states = definition["States"]
        self.start = definition["StartAt"]
        self.invoke, self.read, self.wait = invoke, read, wait
        self.on_token, self.stopped = on_token, stopped
        self.visited = []
        self.taken = set()  # every transition: from, how ("Next", "Choice", "Default", "Catch"), to

    def run(self, state):
        """Return the output. Raises Failed, Aborted."""
        return self._walk(self.states, self.start, state, {})

    def _walk(self, states, name, data, context):
        while True:
            if self.stopped():
                raise Aborted
            state = states[name]
            assert set(state) <= KNOWN[state["Type"]], (
                f"{name}: {set(state) - KNOWN[state['Type']]}"
            )
            self.visited.append(name)
            if state["Type"] == "Succeed":
                return data
            if state["Type"] == "Fail":
                cause = state.get("Cause") or look(state["CausePath"], data, context)
                raise Failed(state["Error"], cause)
            data, name = getattr(self, f"_{state['Type'].lower()}")(name, state, data, context)
            if name is None:
                return data

    def _take(self, name, how, to):
        if to is not None:
            self.taken.add((name, how, to))
        return to

    def _pass(self, name, state, data, context):
        result = state.get("Result", look(state.get("InputPath", "$"), data, context))
        data = put(state.get("ResultPath", "$"), data, result)
        return data, self._take(name, "Next", state.get("Next"))

    def _choice(self, name, state, data, context):
        for choice in state["Choices"]:
            if look(choice["Variable"], data, context) == choice["StringEquals"]:
                return data, self._take(name, "Choice", choice["Next"])
        return data, self._take(name, "Default", state["Default"])

    def _wait(self, name, state, data, context):
        seconds = look(state["SecondsPath"], data, context)
        assert isinstance(seconds, int)
        assert seconds >= 0
        self.wait(seconds)
        return data, self._take(name, "Next", state["Next"])

    def _task(self, name, state, data, context):
        tries = {}
        while True:
            try:
                result = self._attempt(state, data, context)
                break
            except Failed as failure:
                if self._again(state, failure, tries):
                    continue
                return self._caught(name, state, failure, data)
        if "ResultSelector" in state:
            result = fill(state["ResultSelector"], result, context)
        data = put(state.get("ResultPath", "$"), data, result)
        return data, self._take(name, "Next", state["Next"])

    def _attempt(self, state, data, context):
        token = str(uuid.uuid4())
        payload = fill(state["Parameters"], data, {**context, "Task": {"Token": token}})["Payload"]
        answer = {"StatusCode": 200, "Payload": self.invoke(payload)}
        if not state["Resource"].endswith(".waitForTaskToken"):
            return answer
        if not self.on_token(payload["waiting_for"], token):
            if self.stopped():
                raise Aborted
            raise Failed("States.Timeout", "nobody answered")
        return {}

    @staticmethod
    def _again(state, failure, tries):
        for number, retrier in enumerate(state.get("Retry", [])):
            if failure.error in retrier["ErrorEquals"]:
                tries[number] = tries.get(number, 0) + 1
                return tries[number] <= retrier["MaxAttempts"]
        return False

    def _caught(self, name, state, failure, data):
        if failure.error == "States.Runtime":  # States.ALL does not catch this
            raise failure
        for catcher in state.get("Catch", []):
            if catcher["ErrorEquals"] == ["States.ALL"] or failure.error in catcher["ErrorEquals"]:
                error = {"Error": failure.error, "Cause": failure.cause}
                data = put(catcher.get("ResultPath", "$"), data, error)
                return data, self._take(name, "Catch", catcher["Next"])
        raise failure

    def _read_items(self, state, key, tries):
        while True:
            try:
                return self._items(key)
            except Failed as failure:
                if not self._again(state, failure, tries):
                    raise

    def _items(self, key):
        items = self.read(key)
        if items is None:
            raise Failed("States.ItemReaderFailed", f"no object {key}")
        return items

    def _map(self, name, state, data, context):
        tries = {}
        try:
            reader = fill(state["ItemReader"]["Parameters"], data, context)
            items = self._read_items(state, reader["Key"], tries)
            processor = state["ItemProcessor"]
            results = []
            for index, item in enumerate(items):
                inner = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
                given = fill(state["ItemSelector"], data, inner)
                results.append(self._child(processor, given, inner))
        except Failed as failure:
            return self._caught(name, state, failure, data)
        data = put(state.get("ResultPath", "$"), data, results)
        return data, self._take(name, "Next", state["Next"])

    def _child(self, processor, data, context):
        try:
            return self._walk(processor["States"], processor["StartAt"], data, context)
        except Failed as failure:  # no failed child is tolerated
            raise Failed("States.ExceedToleratedFailureThreshold", str(failure)) from failure


def look(path, data, context):
    """Look up `$.a.b` in the data or `$$.a.b` in the context. A missing field is an error."""
    if path.startswith("$$"):
        data, path = context, path[1:]
    assert re.fullmatch(r"\$(\.\w+)*", path), path
    for part in path.split(".")[1:]:
        if part not in data:
            raise Failed("States.Runtime", f"{path} is not there")
        data = data[part]
    return json.loads(json.dumps(data))


def fill(template, data, context):
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): look(value, data, context)
        if name.endswith(".$")
        else fill(value, data, context)
        for name, value in template.items()
    }


def put(path, data, result):
    if path is None:
        return data
    if path == "$":
        return result
    (name,) = re.fullmatch(r"\$\.(\w+)", path).groups()
    return {**data, name: result}
