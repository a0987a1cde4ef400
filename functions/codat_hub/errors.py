"""Exceptions, each named for what its catcher should do.

The class names are wire format: Step Functions matches them in `ErrorEquals` by exact name, not by
base class. So a new name is a breaking change, and a state machine lists subclasses too.
This module imports the standard library only, because the webhook function imports it.
"""

from __future__ import annotations

from dataclasses import dataclass


class Refused(Exception):
    """The delivery is not authentic: answer 401 with the one fixed body and store nothing."""


class TooLarge(Exception):
    """The delivery is over the size limit: answer 413 and store nothing."""


class Unavailable(Exception):
    """An AWS service failed or gave no answer, or other writers kept coming first: repeat the work.

    A write may have happened all the same. Every write of the hub can be repeated.
    """


class NotStarted(Exception):
    """Step Functions did not start a migration: the run has failed, start it again."""


class Unreadable(Exception):
    """An item of the State table is not as this version of the hub writes it: go on without it.

    The text names the item. The fault has been logged and counted already.
    """


class NeverProjected(Exception):
    """No retry can project this stored webhook: park it and go on. The text is the reason."""


class Superseded(Exception):
    """A rollback started meanwhile: this step of the migration must not do its work."""


class StepFailed(Exception):
    """A step of a migration cannot succeed: roll the run back. The text is the reason."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a request.

    field: the path of the field, such as `schedule.timezone`
    message: what is wrong with it
    value: what the request has there, cut short
    allowed: what would be valid
    """

    field: str
    message: str
    value: str | None = None
    allowed: str | None = None


class Invalid(Exception):
    """The request is not valid: correct it. Nothing was changed; `problems` has every fault."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in problems))


class Absent(Exception):
    """The request names a product, company or the like that does not exist."""


class Conflict(Exception):
    """The request is valid, but the present state forbids it; the text says what to do.

    problems: the fields at fault, if there are any
    """

    def __init__(self, detail: str, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(detail)


class RequestReused(Exception):
    """An `Idempotency-Key` came with another body than before: take a new key."""
