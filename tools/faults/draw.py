"""Draws faults from a seed: rules of the proxy for AWS, faults of the sandbox for Codat."""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

# What the functions call, by what the proxy names it.
OPERATIONS: Final = (
    ("dynamodb", "GetItem"),
    ("dynamodb", "BatchGetItem"),
    ("dynamodb", "Query"),
    ("dynamodb", "PutItem"),
    ("dynamodb", "UpdateItem"),
    ("dynamodb", "DeleteItem"),
    ("dynamodb", "TransactWriteItems"),
    ("sqs", "SendMessage"),
    ("sqs", "SendMessageBatch"),
    ("s3", "GetObject"),
    ("s3", "PutObject"),
    ("events", "PutEvents"),
    ("secretsmanager", "GetSecretValue"),
    ("states", "StartExecution"),
    ("states", "SendTaskSuccess"),
)
_THROTTLES: Final = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sqs": "ThrottlingException",
    "s3": "SlowDown",
}
_SLOW: Final = 6000  # milliseconds: longer than a function waits for an answer of AWS
_KINDS: Final = ("throttled", "error", "unavailable", "reset", "answer lost", "too slow")


def rules(
    seed: int, share: float, operations: Iterable[tuple[str, str]] = OPERATIONS
) -> list[dict[str, Any]]:
    """Return rules that let about `share` of the calls of each operation fail, kind by kind.

    No chance is left to the proxy: of an operation's calls, each kind takes one in a fixed number.
    """
    chance = random.Random(seed)
    found = []
    for service, operation in operations:
        for kind in _KINDS:
            every = max(2, round(len(_KINDS) / share * chance.uniform(0.8, 1.25)))
            rule = {"service": service, "operation": operation, **_fault(service, kind)}
            found.append(rule | {"sequence": {"fail": 1, "pass": every - 1}})
    chance.shuffle(found)
    return found


def _fault(service: str, kind: str) -> dict[str, Any]:
    match kind:
        case "throttled":
            return {"error": {"code": _THROTTLES.get(service, "ThrottlingException")}}
        case "error":
            return {"error": {"code": "InternalServerError", "status": 500}}
        case "unavailable":
            return {"error": {"code": "ServiceUnavailable", "status": 503}}
        case "reset":
            return {"reset": True}
        case "too slow":
            return {"timeout_ms": _SLOW}
        case _:
            return {"response": {"abort_bytes": 0}}


CODAT: Final[tuple[Mapping[str, Any], ...]] = (
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"status": 500},
    {"status": 503},
    {"reset": "before"},
    {"reset": "after"},
)


def codat_faults(seed: int) -> Iterator[dict[str, Any]]:
    """Yield faults for the sandbox, in turn, in an order of the seed; endless."""
    chance = random.Random(seed)
    while True:
        for fault in chance.sample(CODAT, len(CODAT)):
            yield {"path": "^/", "times": 1, **fault}
