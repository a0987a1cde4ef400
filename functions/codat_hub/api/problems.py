"""Turns every exception into a problem document (RFC 9457, Problem Details for HTTP APIs).

`type` is `urn:codat-hub:problem:` and a name that programs may rely on. `errors` names each wrong
field, with the value that came and the allowed values.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel

from codat_hub import errors
from codat_hub.codat import errors as codat_errors
from codat_hub.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aws_lambda_powertools.event_handler import ApiGatewayResolver
    from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:codat-hub:problem:"
_LONGEST_VALUE: Final = 100
_MOST_FIELDS: Final = 100  # of the wrong fields, the first; API Gateway passes 10 MB at most
_SOON: Final = 5  # seconds until a request can be repeated


class FieldProblem(BaseModel):
    """A fault of the request. `value`: what came. `allowed`: what is allowed."""

    field: str
    message: str
    value: str | None = None
    allowed: str | None = None


class ProblemDocument(BaseModel):
    """Why a request failed.

    `title` and `detail` are for people, `type` and `errors` for programs. `correlation_id`:
    Codat's, for Codat's support.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
    correlation_id: str | None = None


_WHEN: Final[Mapping[int, str]] = {
    400: "The request is not valid; `errors` names every fault. Nothing was changed.",
    404: "The resource does not exist; `detail` says which.",
    409: "The present state forbids the request; `detail` says what to do.",
    415: "The body is not JSON.",
    422: "The same Idempotency-Key came with another body before.",
    429: "Codat's quota is used up, or the hub calls Codat as often as it may; repeat the request"
    " after `Retry-After`.",
    500: "A fault of the hub; its log has the cause.",
    502: "Codat refused the request, or did not answer as documented; `detail` has Codat's text.",
    503: "Codat or a store of the hub did not answer: repeat the request after `Retry-After`.",
}
# API Gateway's own responses, as application/json (template.yaml: GatewayResponses).
BY_THE_GATEWAY: Final = {
    "403": "The signature is missing or wrong, or the role may not do this.",
    "429": "Too many requests, or Codat's quota is used up: repeat after `Retry-After`.",
    "504": "The hub did not answer in time. Repeat the request: finished work is kept.",
}
_ALWAYS: Final = (400, 404, 415, 500, 503)
# The further problems of a route that calls Codat.
CALLS_CODAT: Final = (409, 429, 502)


def answers(*problems: int, success: Mapping[int, str] | None = None) -> dict[int, OpenAPIResponse]:
    """Return the OpenAPI responses of a route.

    problems: status codes, besides those that every route may answer with
    success: descriptions by status code; None: `200`
    """
    documented: dict[int, OpenAPIResponse] = {
        status: {"description": description}
        for status, description in (success or {200: "Done."}).items()
    }
    content: Any = {MEDIA_TYPE: {"model": ProblemDocument}}
    for status in sorted({*_ALWAYS, *problems}):
        documented[status] = {"description": _WHEN[status], "content": content}
    return documented


def handle_problems(app: ApiGatewayResolver) -> None:
    """Register a handler for each exception that the use cases raise."""
    for kind, handler in _HANDLERS.items():
        app.exception_handler(kind)(handler)


def problem(
    status: int,
    name: str,
    detail: str,
    *,
    fields: Iterable[FieldProblem] = (),
    retry_after: int | None = None,
    correlation_id: str | None = None,
) -> Response[str]:
    """Return a problem document. `name`: the end of `type`; `retry_after`: seconds."""
    document = ProblemDocument(
        type=f"{_TYPE}{name}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=list(islice(fields, _MOST_FIELDS)),
        correlation_id=correlation_id,
    )
    headers: dict[str, str | list[str]] = {}
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, retry_after))
    body = json.dumps(document.model_dump(exclude_none=True))
    return Response(status, MEDIA_TYPE, body, headers=headers)


def invalid_shape(error: Any) -> Response[str]:
    """Answer Powertools' RequestValidationError with every fault that pydantic found."""
    fields = []
    for fault in error.errors():
        if fault["type"] == "json_invalid":
            fields.append(FieldProblem(field="body", message="not valid JSON"))
            continue
        field, message = _path(fault["loc"]), str(fault["msg"])
        fields.append(FieldProblem(field=field, message=message, value=_shown(fault)))
    return problem(400, "invalid", "The request is not valid. Nothing was changed.", fields=fields)


def unsupported_content(_error: Exception) -> Response[str]:
    """Answer a body that is not JSON."""
    return problem(415, "unsupported-media-type", "Send the body as application/json.")


def no_such_path(_error: Exception) -> Response[str]:
    """Answer a path or method that the API does not have."""
    return problem(404, "no-such-path", "The API has no such path with this method.")


def unexpected(error: Exception) -> Response[str]:
    """Answer a fault of the hub: only the log has the cause."""
    logger.error("request failed", exc_info=error)
    return problem(500, "unexpected", "The hub failed; its log has the cause.")


def _invalid(error: errors.Invalid) -> Response[str]:
    detail = "The request is not valid. Nothing was changed."
    return problem(400, "invalid", detail, fields=_fields(error.problems))


def _conflict(error: errors.Conflict) -> Response[str]:
    return problem(409, "conflict", str(error), fields=_fields(error.problems))


def _wrong_client(error: codat_errors.WrongClient) -> Response[str]:
    logger.error("wrong Codat client", cause=str(error))
    return problem(409, "wrong-codat-client", " ".join([str(error), *_notes(error)]))


def _unavailable(error: errors.Unavailable) -> Response[str]:
    logger.error("store unavailable", cause=str(error))
    detail = "A store of the hub did not answer. Repeat the request: finished work is kept."
    return problem(503, "unavailable", detail, retry_after=_SOON)


def _unreadable(error: errors.Unreadable) -> Response[str]:
    detail = (
        f"{error}: it does not have the form that this version of the hub writes. Correct or"
        " delete it, as docs/operate/refreshes.md#an-item-that-cannot-be-read says."
    )
    return problem(500, "item-unreadable", detail)


def _not_started(error: errors.NotStarted) -> Response[str]:
    logger.error("migration not started", cause=str(error))
    detail = (
        "Step Functions did not start the migration, so nothing was changed. Start it again:"
        " tools/hub migrations start."
    )
    return problem(503, "not-started", detail, retry_after=_SOON)


def _call_failed(error: codat_errors.CallFailed) -> Response[str]:
    """Answer a failed call to Codat with Codat's text and correlation id."""
    logger.warning("call to Codat failed", kind=type(error).__name__, cause=str(error))
    status, name, detail = next(
        answer for kinds, answer in _CALL_FAILED.items() if isinstance(error, kinds)
    )
    if isinstance(error, codat_errors.RateLimited) and error.held_back:
        detail = "The hub makes as many calls of Codat as it may: repeat the request soon."
    theirs = [f"Codat said: {error.error}"] if error.error and error.status else []
    return problem(
        status,
        name,
        " ".join([detail, *_notes(error), *theirs]),
        retry_after=_wait(error) if status in {429, 503} else None,
        correlation_id=error.correlation_id,
    )


def _notes(error: Exception) -> list[str]:
    """Return the notes of a use case: which changes are kept all the same, and what to do."""
    return getattr(error, "__notes__", [])


def _wait(error: codat_errors.CallFailed) -> int:
    if error.retry_at is not None:
        return int((error.retry_at - datetime.now(UTC)).total_seconds()) + 1
    return _SOON


def _fields(problems: Iterable[errors.Problem]) -> list[FieldProblem]:
    return [
        FieldProblem(
            field=fault.field,
            message=fault.message,
            value=_public(fault.field, fault.value),
            allowed=fault.allowed,
        )
        for fault in problems
    ]


def _public(field: str, value: str | None) -> str | None:
    return None if value is None or _is_secret(field, value) else value


def _path(location: Iterable[str | int]) -> str:
    """Return a field's path: `products[2].kind` for `("body", "products", 2, "kind")`."""
    text = ""
    for number, part in enumerate(location):
        if isinstance(part, int):
            text += f"[{part}]"
        elif not (number == 0 and part in {"body", "query", "path", "header"}):
            text += f".{part}" if text else part
    return text or "body"


def _shown(fault: Mapping[str, Any]) -> str | None:
    """Return the value that came, cut short; None if it is missing, nested or secret."""
    value = fault.get("input")
    if fault["type"] == "missing" or not isinstance(value, str | int | float | bool):
        return None
    text = str(value)
    if _is_secret(_path(fault["loc"]), text):
        return None
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _is_secret(field: str, text: str) -> bool:
    """Tell whether a value must not be quoted: a secret, also in a wrong field."""
    return "secret" in field.lower() or text.startswith("whsec_")


# The first entry that fits an error counts, so CallFailed comes last.
_CALL_FAILED: Final[Mapping[tuple[type[Exception], ...], tuple[int, str, str]]] = {
    (codat_errors.RateLimited,): (429, "codat-rate-limited", "Codat's quota is used up."),
    (codat_errors.OutcomeUnknown, codat_errors.TryLater, codat_errors.Busy): (
        503,
        "codat-unavailable",
        "Codat is unavailable or did not answer. Repeat the request: finished work is kept.",
    ),
    (codat_errors.Unauthorized,): (
        502,
        "codat-key-refused",
        "Codat refuses the API key. Store a valid one: tools/hub secrets set-api-key.",
    ),
    (codat_errors.Forbidden,): (
        502,
        "codat-forbids",
        "Codat's plan or permissions do not allow it.",
    ),
    (codat_errors.NotFound,): (404, "not-at-codat", "Codat does not have it."),
    (codat_errors.Permanent,): (400, "codat-refused", "Codat refused the request."),
    (codat_errors.CallFailed,): (
        502,
        "codat-not-understood",
        "Codat did not answer as documented.",
    ),
}
_HANDLERS: Final[Mapping[type[Exception], Any]] = {
    errors.Invalid: _invalid,
    errors.Absent: lambda error: problem(404, "not-found", str(error)),
    errors.Conflict: _conflict,
    errors.RequestReused: lambda error: problem(422, "idempotency-key-reused", str(error)),
    codat_errors.WrongClient: _wrong_client,
    errors.Unavailable: _unavailable,
    errors.Unreadable: _unreadable,
    errors.NotStarted: _not_started,
    codat_errors.CallFailed: _call_failed,
}
