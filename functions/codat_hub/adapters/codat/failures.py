"""What an answer that is no success means: HTTP status (and for 400 and 409 the text) to exception.

Only the HTTP status counts, never `statusCode` in the body: Codat's own examples disagree there.
The taxonomy and its sources: Codat docs (errors, idempotency, rate limits) and OAS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic_core import from_json

from codat_hub import errors
from codat_hub.adapters.codat.headers import retry_after
from codat_hub.domain.quota import next_reset

if TYPE_CHECKING:
    from collections.abc import Callable

    from codat_hub.adapters.codat.answers import Call, Received

# Three 400s of a product refresh differ by text only (OAS: refresh); the second phrase is what
# queueing a data type says, with an undocumented status. (Codat docs: queueing data syncs)
BUSY_PHRASES: Final = ("read operation is in progress", "DatasetAlreadyInProgressException")
_BY_STATUS: Final[dict[int, type[errors.CallFailed]]] = {
    401: errors.Unauthorized,
    402: errors.Forbidden,
    403: errors.Forbidden,
    404: errors.NotFound,
    408: errors.TryLater,
    429: errors.RateLimited,
}
_QUOTED: Final = 200  # characters of an answer that is not Codat's error body


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What of Codat's `ErrorMessage` we use. No field of it is required. (OAS: ErrorMessage)"""

    error: str = ""
    correlation_id: str | None = None


def parse_error_body(body: bytes, redact: Callable[[str], str] = str) -> ErrorBody:
    """Any bytes to an ErrorBody: what is not Codat's JSON is quoted, one line, at most 200 letters.

    `redact` sees each text before it is cut.
    """
    try:
        content = from_json(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        text = body.decode("utf-8", "replace")
        return ErrorBody(tidy(redact(text))[:_QUOTED])
    error, correlation_id = content.get("error"), content.get("correlationId")
    return ErrorBody(
        tidy(redact(error)) if isinstance(error, str) else "",
        (tidy(redact(correlation_id)) or None) if isinstance(correlation_id, str) else None,
    )


def tidy(text: str) -> str:
    """One line of printable characters, so that no answer can forge a log line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def failure(
    call: Call, received: Received, busy_phrases: tuple[str, ...] = BUSY_PHRASES
) -> errors.CallFailed:
    """The exception for an answer outside 2xx. Never raises."""
    said = parse_error_body(received.body, received.redact)
    kind = _kind(call, received.status, said.error, busy_phrases)
    wait = retry_after(received.headers, received.at)
    at = None if wait is None else received.at + wait
    if at is None and kind is errors.RateLimited:
        at = next_reset(received.at)
        wait = at - received.at
    return kind(
        said.error or "no error text",
        status=received.status,
        call=str(call),
        correlation_id=said.correlation_id,
        retry_after=wait,
        retry_at=at,
        quota=received.quota,
    )


def _kind(
    call: Call, status: int, text: str, busy_phrases: tuple[str, ...]
) -> type[errors.CallFailed]:
    match status:
        case 400 | 409 if _says_busy(text, busy_phrases):
            return errors.Busy
        case 409 if call.idempotency_key is not None:
            return errors.OutcomeUnknown
        case 409 if call.method == "GET":
            return errors.StillSyncing
        case 422 if call.idempotency_key is not None:
            return errors.KeyReused
        case _:
            return _kind_by_status(status)


def _kind_by_status(status: int) -> type[errors.CallFailed]:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return errors.TryLater
    return errors.NotUnderstood if status < 400 else errors.Permanent


def _says_busy(text: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase.casefold() in text.casefold() for phrase in phrases)
