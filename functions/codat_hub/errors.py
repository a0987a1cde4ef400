"""The exceptions that are contracts: each is named for what the caller should do.

The class names are wire format: Step Functions matches them in `ErrorEquals`, by exact name and
not by base class, so renaming one is a breaking change and a list must spell out subclasses too.
Only the standard library is imported here: the webhook path reads this module.
"""

from __future__ import annotations

from dataclasses import dataclass


class Refused(Exception):
    """Not authentic: answer 401 with the one fixed body, store nothing."""


class TooLarge(Exception):
    """Over the size limit: answer 413, store nothing."""


class Unavailable(Exception):
    """A store of ours (DynamoDB, Secrets Manager) did not do what was asked, or did not answer.

    A write may have happened: repeat it, every write of ours can be repeated.
    """


class NotStarted(Exception):
    """A migration's execution could not be started: the run is failed, start it again."""


class Unreadable(Exception):
    """An item of the State table is not as this version of the hub writes it; the text names it.

    It has been logged and counted. It holds up what is about this item, and nothing else.
    """


class NeverProjected(Exception):
    """A stored webhook that no retry can make sense of: park it, go on. The text is the reason."""


class Superseded(Exception):
    """A rollback has begun since: what this step was about to do must not be done any more."""


class StepFailed(Exception):
    """A step of a migration cannot end well; the text says why. The run is to be rolled back."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a request. `field` is its path, such as `schedule.timezone`; `allowed` says what

    would do; `value` is what came, cut short.
    """

    field: str
    message: str
    value: str | None = None
    allowed: str | None = None


class Invalid(Exception):
    """The request is not valid; `problems` are all of them. Mend it: nothing was changed."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{one.field}: {one.message}" for one in problems))


class Absent(Exception):
    """What the request names is not there: no such product, company, or the like."""


class Conflict(Exception):
    """The request is valid, but the state of things forbids it; the text says what to do.

    `problems` names the fields at fault, where there are such.
    """

    def __init__(self, detail: str, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(detail)


class RequestReused(Exception):
    """An `Idempotency-Key` came with another body than the first time: take a new key."""
