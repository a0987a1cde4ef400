"""What a call to Codat can end in when it did not do what was asked.

Each class is named for what its catcher should do. The names are wire format: Step Functions
matches them by exact name, so a list must spell out subclasses too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from codat_hub.codat.domain.quota import Quota

LONGEST_TEXT: Final = 500
LONGEST_ID: Final = 100


class WrongClient(Exception):
    """The API key is not of the Codat client that this stack is bound to: change nothing there."""


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
