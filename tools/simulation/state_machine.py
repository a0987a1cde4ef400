"""An interpreter of the migration's definition on a virtual clock.

It knows the fields that the definition uses and fails on any other. A Lambda is one callable, a
wait and a retry's back-off pass on the clock, and `on_token` answers for the person that a task
token waits for.
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
_RETRIER = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts"}
_RETRIER |= {"MaxDelaySeconds", "JitterStrategy"}


class Failed(Exception):
    """The execution, or a task, ended with this error."""

    def __init__(self, error, cause):
        self.error, self.cause = error, cause
        super().__init__(f"{error}: {cause}")


class Aborted(Exception):
    """Another party stopped the execution."""


class Execution:
    """One execution of a definition.

    invoke(payload): the answer of the function; raises Failed
    read(key): the manifest's items, None if the object is missing
    wait(seconds): passes time; chance: a random.Random for the jitter of retries
    on_token(waiting_for, token): tells whether the wait was ended; stopped(): whether to abort
    """

    def __init__(self, definition, *, invoke, read, wait, on_token, chance, stopped=lambda: False):
        self.states, self.start = definition["States"], definition["StartAt"]
        self.invoke, self.read, self.wait = invoke, read, wait
        self.on_token, self.chance, self.stopped = on_token, chance, stopped
        self.visited = []

    def run(self, state, begin_at=None):
        """Return the output. Raises Failed, Aborted. `begin_at`: another first state."""
        return self._walk(self.states, begin_at or self.start, state, {})

    def _walk(self, states, name, data, context):
        while True:
            if self.stopped():
                raise Aborted
            state = states[name]
            unknown = set(state) - KNOWN[state["Type"]]
            assert not unknown, f"{name}: {unknown}"
            self.visited.append(name)
            if state["Type"] == "Succeed":
                return data
            if state["Type"] == "Fail":
                cause = state.get("Cause") or look(state["CausePath"], data, context)
                raise Failed(state["Error"], cause)
            data, name = getattr(self, f"_{state['Type'].lower()}")(state, data, context)
            if name is None:
                return data

    def _pass(self, state, data, context):
        result = state.get("Result", look(state.get("InputPath", "$"), data, context))
        return put(state.get("ResultPath", "$"), data, result), state.get("Next")

    def _choice(self, state, data, context):
        for choice in state["Choices"]:
            if look(choice["Variable"], data, context) == choice["StringEquals"]:
                return data, choice["Next"]
        return data, state["Default"]

    def _wait(self, state, data, context):
        self.wait(look(state["SecondsPath"], data, context))
        return data, state["Next"]

    def _task(self, state, data, context):
        return self._retried(state, data, lambda: self._attempt(state, data, context), context)

    def _map(self, state, data, context):
        return self._retried(state, data, lambda: self._items(state, data, context), context)

    def _retried(self, state, data, attempt, context):
        tries = {}
        while True:
            try:
                result = attempt()
            except Failed as failure:
                if self._again(state, failure, tries):
                    continue
                return self._caught(state, failure, data)
            if "ResultSelector" in state:
                result = fill(state["ResultSelector"], result, context)
            return put(state.get("ResultPath", "$"), data, result), state["Next"]

    def _attempt(self, state, data, context):
        token = str(uuid.uuid4())
        payload = fill(state["Parameters"], data, {**context, "Task": {"Token": token}})["Payload"]
        answer = {"StatusCode": 200, "Payload": self.invoke(payload)}
        if not state["Resource"].endswith(".waitForTaskToken"):
            return answer
        if not self.on_token(payload["waiting_for"], token):
            if self.stopped():
                raise Aborted
            self.wait(state.get("TimeoutSeconds", 0))
            raise Failed("States.Timeout", "the wait was not ended")
        return {}

    def _again(self, state, failure, tries):
        if self.stopped():
            raise Aborted
        for number, retrier in enumerate(state.get("Retry", [])):
            assert set(retrier) <= _RETRIER, retrier
            if failure.error in retrier["ErrorEquals"]:
                done = tries[number] = tries.get(number, 0) + 1
                if done > retrier.get("MaxAttempts", 3):
                    return False
                self.wait(self._delay(retrier, done))
                return True
        return False

    def _delay(self, retrier, attempt):
        delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** (attempt - 1)
        delay = min(delay, retrier.get("MaxDelaySeconds", delay))
        full = retrier.get("JitterStrategy") == "FULL"
        return self.chance.uniform(0, delay) if full else delay

    def _caught(self, state, failure, data):
        if failure.error == "States.Runtime":  # States.ALL does not match it
            raise failure
        for catcher in state.get("Catch", []):
            if catcher["ErrorEquals"] == ["States.ALL"] or failure.error in catcher["ErrorEquals"]:
                error = {"Error": failure.error, "Cause": failure.cause}
                return put(catcher.get("ResultPath", "$"), data, error), catcher["Next"]
        raise failure

    def _items(self, state, data, context):
        key = fill(state["ItemReader"]["Parameters"], data, context)["Key"]
        items = self.read(key)
        if items is None:
            raise Failed("States.ItemReaderFailed", f"no object {key}")
        results = []
        for index, item in enumerate(items):
            inner = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
            given = fill(state["ItemSelector"], data, inner)
            results.append(self._child(state["ItemProcessor"], given, inner))
        return results

    def _child(self, processor, data, context):
        try:
            return self._walk(processor["States"], processor["StartAt"], data, context)
        except Failed as failure:  # the definition tolerates no failed child
            raise Failed("States.ExceedToleratedFailureThreshold", str(failure)) from failure


def look(path, data, context):
    """Return `$.a.b` of the data or `$$.a.b` of the context. A missing path is an error."""
    if path.startswith("$$"):
        data, path = context, path[1:]
    assert re.fullmatch(r"\$(\.\w+)*", path), path
    for part in path.split(".")[1:]:
        if part not in data:
            raise Failed("States.Runtime", f"{path} is not there")
        data = data[part]
    return data if isinstance(data, str | int | float) else json.loads(json.dumps(data))


def fill(template, data, context):
    """Return a payload template with its paths replaced."""
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): look(value, data, context)
        if name.endswith(".$")
        else fill(value, data, context)
        for name, value in template.items()
    }


def put(path, data, result):
    """Return the data with a result at `$.name`, replaced by it (`$`), or unchanged (None)."""
    if path is None:
        return data
    if path == "$":
        return result
    (name,) = re.fullmatch(r"\$\.(\w+)", path).groups()
    return {**data, name: result}
