"""The failures of a call to Codat, each named for what its catcher should do.

The class names are wire format: Step Functions matches them by exact name, so a state machine lists
subclasses too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from codat_hub.codat.domain.quota import Quota

LONGEST_TEXT: Final = 500
LONGEST_ID: Final = 100


class WrongClient(Exception):
    """The API key belongs to another Codat client than the stack's: change nothing there."""


class CallFailed(Exception):
    """A call to Codat failed; the subclass says what to do about it.

    error: Codat's text, else the hub's, cut to 500 characters
    status: the HTTP status (never one from a body); None when no answer was read
    call: the method and path, such as `POST /companies/c1/data/all`
    correlation_id: Codat's id of the request, for its support
    retry_after, retry_at: set when the answer asks to wait, both or neither
    quota: the rate-limit headers of the answer
    edge: something on the way to Codat refused the call (a TryLater), by an answer not of Codat's
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
        edge: bool = False,
    ) -> None:
        self.error = _cut(error, LONGEST_TEXT)
        self.status = status
        self.call = call and _cut(call, LONGEST_TEXT)
        self.correlation_id = correlation_id and _cut(correlation_id, LONGEST_ID)
        self.retry_after = retry_after
        self.retry_at = retry_at
        self.quota = quota
        self.edge = edge
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
    """Codat is unavailable (5xx, 408, an edge on the way): the same call may succeed later.

    With a status, an answer came, and Codat replays it for the same idempotency key. Without a
    status, nothing was sent.
    """


class Busy(CallFailed):
    """A read of this company is in progress at Codat, as often happens: ask again after it."""


class StillSyncing(Busy):
    """The data is not fetched yet (409 to a GET): ask again later."""


class Permanent(CallFailed):
    """The request is rejected, or cannot be sent at all: correct it, do not repeat it."""


class KeyReused(Permanent):
    """An idempotency key came with another body (422), which is a fault of the hub."""


class Unauthorized(CallFailed):
    """The API key is wrong, missing or unreadable (401): stop all calls, drop the key, alarm."""


class Forbidden(CallFailed):
    """Codat's plan or permissions forbid the call (402, 403) until a person acts."""


class NotFound(CallFailed):
    """The company, connection or assigned product is not there (404): reconcile it."""


class RateLimited(CallFailed):
    """Codat allows no more calls now (429): make none before `retry_at`.

    It is None if the answer neither says when, nor that the quota of the day is used up: then the
    minute's guard stopped a burst.
    """

    @property
    def held_back(self) -> bool:
        """Tell whether the hub itself did not let the call leave, for its other calls."""
        return self.status is None


class OutcomeUnknown(CallFailed):
    """No whole answer came, or another call with the key is running (409): it may have happened.

    Ask again with the same idempotency key. `status` is set when the answer broke off after its
    head.
    """


class NotUnderstood(CallFailed):
    """The answer is not as Codat documents it (HTML, another shape, a redirect).

    The call may have happened, as with OutcomeUnknown, but a repeat will hardly help: look at it.
    """


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
