"""The definition that Step Functions runs, made from the table."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any, Final

from tools.statemachine import saga
from tools.statemachine.rows import (
    Choose,
    Each,
    Failure,
    Lane,
    Note,
    Part,
    Person,
    Row,
    Step,
    Success,
    Undo,
    Wait,
    headed,
)

type State = dict[str, Any]

_COMMENT: Final = (
    "From client-level to product-level sync settings: the first half is the migration, the second "
    "its rollback. Steps write to the ledger; the execution carries ids and small facts only. "
    "Generated from tools/statemachine/saga.py by `make statemachine`."
)
_TRANSIENT: Final = (
    "TryLater",
    "RateLimited",
    "OutcomeUnknown",
    "Unavailable",
    "Busy",
    "StillSyncing",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
)
_NOT_READ: Final = ("States.ItemReaderFailed",)  # a manifest
_PACE: Final = ("next", "wait_seconds")
_ANSWER: Final = (*_PACE, "manifest", "listing", "epoch", "cause", "listed")
_RETRIES: Final = 20  # 2 s, doubling, five minutes at most: an hour and eight minutes


def definition() -> State:
    """Return the state machine."""
    rows = ordered()
    states: State = {}
    for place, (heading, row) in enumerate(rows):
        above = [other for _, other in rows[:place] if not other.on]
        below = [other for _, other in rows[place + 1 :]]
        after = above[::-1] if row.on else [other for other in below if not other.on]
        leads_to = row.then or (after[0].entry if after else "")
        detours = {other.on: other.entry for other in takewhile(lambda other: other.on, below)}
        states |= _states(row, heading, leads_to, detours)
    return {
        "Comment": _COMMENT,
        "StartAt": rows[0][1].state,
        "TimeoutSeconds": 60 * 24 * 3600,
        "States": states,
    }


def ordered() -> list[tuple[Part, Row]]:
    """Return the rows with their headings, in the order of a run: there, then back."""
    there = list(headed(saga.THERE))
    forward = [(heading, row) for heading, row in there if not isinstance(heading, Undo)]
    undos = [(heading, row) for heading, row in there if isinstance(heading, Undo)]
    undos.sort(key=lambda pair: -pair[0].number)
    return [*forward, *headed(saga.BACK_BEGINS), *undos, *headed(saga.BACK_ENDS)]


def _states(row: Row, heading: Part, leads_to: str, detours: dict[str, str]) -> State:
    """Return the states of a row by their names."""
    lane = heading.lane
    caught = _catch(row.fails_to or lane.fails_to, lane.error)
    more: State = {}
    match row:
        case Step():
            payload = {**_payload(row.step, lane), **row.says}
            asked = f"{row.state}Answered"
            state = _task(payload, caught, asked, result=row.result, fields=_ANSWER)
            more = _answered(row, leads_to, {**detours, **row.answers})
        case Each():
            state = _map(row, lane, caught, leads_to)
            more = {row.entry: _if_any(row, lane, leads_to)}
        case Person():
            state = _person(row, lane, caught, leads_to)
        case Note():
            payload = {**_payload(row.step, lane), "epoch": 0, **row.says}
            del payload["epoch.$"]  # a failed rollback may have none
            state = _task(payload, _catch(leads_to), leads_to)
        case Wait():
            state = _wait(row.result, leads_to)
        case Choose():
            state = _choice(row.field, row.to, leads_to)
        case Success():
            state = {"Type": "Succeed"}
        case Failure():
            cause = "CausePath" if row.cause.startswith("$") else "Cause"
            state = {"Type": "Fail", "Error": row.state, cause: row.cause}
    if row.comment:
        state = {"Type": state["Type"], "Comment": heading.numbered(row.comment)} | state
    return {row.state: state} | more


def _answered(row: Step, leads_to: str, answers: dict[str, str]) -> State:
    """Return the states that read a step's answer: the fork, and the pause before it repeats."""
    pause = f"{row.state}Pause"
    to = {"again": pause} | answers
    states = {f"{row.state}Answered": _choice(f"$.{row.result}.next", to, leads_to)}
    if pause in to.values():
        states[pause] = _wait(row.result, row.again or row.state)
    return states


def _if_any(row: Each, lane: Lane, leads_to: str) -> State:
    """Return the fork before a Map: AWS does not say what a Map does with an empty list."""
    some = _choice(f"{lane.listing}.listed", {"nothing": leads_to}, row.state)
    return {"Type": some.pop("Type"), "Comment": "An empty list needs no Map."} | some


def _map(row: Each, lane: Lane, caught: list[State], leads_to: str) -> State:
    """Return a Map. Its children answer nothing: the next step reads the ledger."""
    chunk, failed, over = (f"{row.state}{name}" for name in ("Chunk", "ChunkFailed", "ChunkOver"))
    inside = replace(lane, epoch="$.epoch")  # as the item selector hands it on
    call = {"chunk.$": "$.chunk"}
    failure = {"state": {"phase": row.phase or row.step, "error.$": "$.error"}}
    children = {
        chunk: _task(
            _payload(row.step, inside) | call,
            _catch(failed, "$.error"),
            f"{chunk}Answered",
            result="result",
            fields=_PACE,
        ),
        **_answered(Step(chunk, row.step, ""), over, {}),
        failed: _task(_payload("note_chunk_failure", inside) | call | failure, _catch(over), over),
        over: {"Type": "Pass", "Result": {}, "End": True},
    }
    return {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": "${ManifestBucket}", "Key.$": f"{lane.listing}.manifest"},
        },
        "ItemSelector": {
            "chunk.$": "$$.Map.Item.Value",
            "migration_id.$": "$.migration_id",
            "epoch.$": lane.epoch,
        },
        "MaxConcurrency": 4,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": chunk,
            "States": children,
        },
        "ResultPath": None,
        "Retry": _retry(_NOT_READ),
        "Catch": caught,
        "Next": leads_to,
    }


def _task(
    payload: State,
    caught: list[State],
    leads_to: str,
    *,
    result: str = "",
    fields: tuple[str, ...] = (),
) -> State:
    """Return a call of the function; `fields` of its answer are kept under `result`."""
    selected = {f"{name}.$": f"$.Payload.{name}" for name in fields}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "${RunMigrationStep}", "Payload": payload},
        **({"ResultSelector": selected} if fields else {}),
        "ResultPath": f"$.{result}" if result else None,
        "TimeoutSeconds": 300,
        "Retry": _retry((*_TRANSIENT, "States.Timeout")),
        "Catch": caught,
        "Next": leads_to,
    }


def _person(row: Person, lane: Lane, caught: list[State], leads_to: str) -> State:
    """Return a call that ends when a person answers. A timeout is final: nobody answered."""
    # the function asks the same way in both directions
    payload = _payload("wait_for_person", replace(lane, direction="apply"))
    payload |= {"waiting_for": row.waiting_for, "token.$": "$$.Task.Token"}
    return _task(payload, caught, leads_to) | {
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "TimeoutSeconds": row.hours * 3600,
        "Retry": _retry(_TRANSIENT),
    }


def _payload(step: str, lane: Lane) -> State:
    return {
        "contract": 1,
        "step": step,
        "direction": lane.direction,
        "migration_id.$": "$.migration_id",
        "epoch.$": lane.epoch,
    }


def _choice(field: str, to: Mapping[str, str], default: str) -> State:
    choices = [
        {"Variable": field, "StringEquals": value, "Next": state}
        for value, state in to.items()
        if state != default
    ]
    return {"Type": "Choice", "Choices": choices, "Default": default}


def _wait(result: str, leads_to: str) -> State:
    return {"Type": "Wait", "SecondsPath": f"$.{result}.wait_seconds", "Next": leads_to}


def _catch(leads_to: str, error: str | None = None) -> list[State]:
    return [{"ErrorEquals": ["States.ALL"], "ResultPath": error, "Next": leads_to}]


def _retry(errors: tuple[str, ...]) -> list[State]:
    """Return retries that last an hour. Without jitter: with it, twenty may last a few minutes."""
    return [
        {
            "ErrorEquals": list(errors),
            "IntervalSeconds": 2,
            "BackoffRate": 2.0,
            "MaxAttempts": _RETRIES,
            "MaxDelaySeconds": 300,
        }
    ]
