"""The exception for an answer without success: by HTTP status, and for 400 and 409 by text.

Only the HTTP status counts, never `statusCode` in the body (docs/codat.md, C3). The meaning of each
status: docs/codat.md, C4, C12, C17.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic_core import from_json

from codat_hub.codat import errors
from codat_hub.codat.adapters.headers import retry_after
from codat_hub.codat.domain.quota import LONGEST, next_reset

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codat_hub.codat.adapters.answers import Call, HttpAnswer
    from codat_hub.codat.domain.quota import Quota

# Three 400s of a product refresh differ by text only. The second phrase means that a data type
# is already queued; its status is not documented (docs/codat.md, C19, C21).
BUSY_PHRASES: Final = ("read operation is in progress", "DatasetAlreadyInProgressException")
_BY_STATUS: Final[dict[int, type[errors.CallFailed]]] = {
    401: errors.Unauthorized,
    402: errors.Forbidden,
    403: errors.Forbidden,
    404: errors.NotFound,
    408: errors.TryLater,
    429: errors.RateLimited,
}
# What only Codat can say. In any other body than its own, such as HTML or none, a proxy or firewall
# on the way says it, for which no company, key or plan is to blame.
_BY_CODAT: Final = frozenset({errors.Forbidden, errors.NotFound, errors.Permanent})
PERSONAL: Final = ("name", "description")  # fields of a request that describe a customer
_QUOTED: Final = 200  # characters of an answer that is not Codat's error body


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The used fields of Codat's ErrorMessage, which requires none (docs/codat.md, C3).

    codats: false for a body that is no JSON object: then `error` is the body itself
    """

    error: str = ""
    correlation_id: str | None = None
    codats: bool = True

    def reference(self, redact: Callable[[str], str]) -> str | None:
        """Return the correlation id, printable and without the API key."""
        return tidy(redact(self.correlation_id)) or None if self.correlation_id else None

    def quoted(self, redact: Callable[[str], str]) -> str:
        """Return one printable line without the API key: Codat's text, else 200 characters."""
        text = tidy(redact(self.error))
        return text if self.codats else text[:_QUOTED]


def _without_personal(call: Call, text: str) -> str:
    """Return the text without what the request says about people: errors are logged.

    Only a new company has such fields, and an answer may quote them.
    """
    body = call.body or {}
    told = [body.get(name) for name in PERSONAL] + [*(body.get("tags") or {}).values()]
    # the longest first, as one may be a part of another
    for value in sorted((str(value) for value in told if value), key=len, reverse=True):
        text = text.replace(value, "[…]")
    return text


def parse_error_body(body: bytes) -> ErrorBody:
    """Read any bytes as an error body, without ever raising."""
    try:
        content = from_json(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return ErrorBody(body.decode("utf-8", "replace"), codats=False)
    error, correlation_id = content.get("error"), content.get("correlationId")
    return ErrorBody(
        error if isinstance(error, str) else "",
        correlation_id if isinstance(correlation_id, str) else None,
    )


def tidy(text: str) -> str:
    """Return one line of printable characters, so that no answer can forge a log line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def failure(
    call: Call, received: HttpAnswer, busy_phrases: tuple[str, ...] = BUSY_PHRASES
) -> errors.CallFailed:
    """Return the exception for an answer outside 2xx, without ever raising."""
    body = parse_error_body(received.body)
    kind = _kind(call, received.status, body.error, busy_phrases)
    edge = not body.codats and kind in _BY_CODAT
    wait = retry_after(received.headers, received.at)
    at = None if wait is None else received.at + wait
    if at is None and kind is errors.RateLimited and _day_is_spent(received.quota):
        at = _new_day(received)
        wait = at - received.at
    return (errors.TryLater if edge else kind)(
        body.quoted(lambda text: _without_personal(call, received.redact(text))) or "no error text",
        status=received.status,
        call=str(call),
        correlation_id=body.reference(received.redact),
        retry_after=wait,
        retry_at=at,
        quota=received.quota,
        edge=edge,
    )


def _day_is_spent(quota: Quota | None) -> bool:
    """Tell whether a 429 is about the quota of the day, and not about a burst of calls."""
    return quota is not None and quota.remaining == 0


def _new_day(received: HttpAnswer) -> datetime:
    """Return when the quota is new, by the answer if that can be true."""
    reset = received.quota.resets_at if received.quota else None
    believable = reset is not None and received.at < reset <= received.at + LONGEST
    return reset if reset is not None and believable else next_reset(received.at)


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
        case 409 if call.method in {"PUT", "DELETE"}:  # repeating them does no harm
            return errors.TryLater
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
