"""The result of one check: passed, failed with the next command, or not possible."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from botocore.exceptions import ClientError

_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


class State(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """One row of the table. `next` is what to do, only for a check that did not pass."""

    name: str
    state: State
    found: str
    next: str = ""


def passed(name: str, found: str) -> Check:
    return Check(name, State.PASSED, found)


def failed(name: str, found: str, then: str) -> Check:
    return Check(name, State.FAILED, found, then)


def unknown(name: str, found: str, then: str = "") -> Check:
    return Check(name, State.UNKNOWN, found, then)


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def is_denied(error: ClientError) -> bool:
    return code_of(error) in _DENIED


def guarded(name: str, look: Callable[[], list[Check]]) -> list[Check]:
    """Look; a call that the caller may not make leaves the check open instead of failing it."""
    try:
        return look()
    except ClientError as error:
        if is_denied(error):
            return [unknown(name, f"your role may not call {error.operation_name}")]
        return [failed(name, str(error), "Repeat it; if it goes on, see AWS's status page.")]
