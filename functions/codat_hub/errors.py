"""The exceptions that are contracts: each is named for what the caller should do.

The class names are wire format: Step Functions matches them in `ErrorEquals`, by exact name and
not by base class, so renaming one is a breaking change and a list must spell out subclasses too.
Only the standard library is imported here: the webhook path reads this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from codat_hub.domain.quota import Quota

LONGEST_TEXT: Final = 500
LONGEST_ID: Final = 100


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


class WrongClient(Exception):
    """The API key is not of the Codat client that this stack is bound to: change nothing there."""


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


class CallFailed(Exception):
    """A call to Codat did not do what was asked; the subclass says what to do about it.

    error: Codat's own text, else ours, cut to 500 characters
    status: HTTP status, None when no answer was read (never taken from a body)
    call: method and path, such as `POST /companies/{id}/data/all` with the id filled in
    correlation_id: Codat's, for their support
    retry_after, retry_at: when the answer asked to wait; both or neither
    quota: the rate-limit headers of the answer
    """

    def __init__(
        self,
        error: str = "",
        *,
        status: int | None = None,
        call: str | None = None,
        correlation_id: str | None = None,
        retry_after: timedelta | None = None,
        retry_at: datetime | None = None,
        quota: Quota | None = None,
    ) -> None:
        self.error = _cut(error, LONGEST_TEXT)
        self.status = status
        self.call = call and _cut(call, LONGEST_TEXT)
        self.correlation_id = correlation_id and _cut(correlation_id, LONGEST_ID)
        self.retry_after = retry_after
        self.retry_at = retry_at
        self.quota = quota
        super().__init__(self.error)

    def __str__(self) -> str:
        facts = [
            self.call,
            None if self.status is None else f"HTTP {self.status}",
            self.error,
            self.correlation_id and f"correlation id {self.correlation_id}",
        ]
        return " | ".join(fact for fact in facts if fact)


class TryLater(CallFailed):
    """Codat is unavailable: the same call may succeed later. Any 5xx, 408.

    With a status an answer came, and Codat replays it for its idempotency key; without one
    nothing was sent.
    """


class Busy(CallFailed):
    """A read of this company is in progress at Codat: normal, ask again after it."""


class StillSyncing(Busy):
    """The data asked for is not requested yet or still syncing (409 on a GET): ask again later."""


class Permanent(CallFailed):
    """Rejected for good, or not fit to be sent at all: mend the request, do not repeat it."""


class KeyReused(Permanent):
    """An idempotency key came with another body (422): a fault of ours, never normal."""


class Unauthorized(CallFailed):
    """The API key is wrong, missing or unreadable (401): stop all calls, drop the key, alarm."""


class Forbidden(CallFailed):
    """Plan or permission (402, 403): the same call will not succeed until a person acts."""


class NotFound(CallFailed):
    """Company, connection or product assignment is not there (404): reconcile it."""


class RateLimited(CallFailed):
    """The client's quota is used up (429): no calls before `retry_at`, which is always set."""


class OutcomeUnknown(CallFailed):
    """No whole answer came (or the key is in flight, 409): it may have happened.

    Ask again with the same idempotency key; `status` is set when the answer broke after its head.
    """


class NotUnderstood(CallFailed):
    """An answer came that is not Codat's API as documented (HTML, another shape, a redirect).

    Like `OutcomeUnknown` for what may have happened, but repeating it will hardly help: look at it.
    """


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
