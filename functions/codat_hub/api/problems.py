"""Every answer that is no success: a problem document. (RFC 9457)

`type` is `urn:codat-hub:problem:` and a name that programs may rely on; `errors` names each field
at fault, with the value that came and what is allowed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
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
_SOON: Final = 5  # seconds to wait for a store of ours


class FieldProblem(BaseModel):
    """One fault of the request."""

    field: str
    message: str
    value: str | None = None
    allowed: str | None = None


class ProblemDocument(BaseModel):
    """What went wrong, for people (`title`, `detail`) and for programs (`type`, `errors`).

    `correlation_id` is Codat's, for their support.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
    correlation_id: str | None = None


_WHEN: Final[Mapping[int, str]] = {
    400: "The request is not valid; `errors` names every fault. Nothing was changed.",
    404: "What the path names is not there.",
    409: "The state of things forbids it; `detail` says what to do.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key came with another body before.",
    429: "Codat's quota is used up; `Retry-After` says when it is not.",
    500: "A fault of the hub; its log has the cause.",
    502: "Codat refused or did not answer as documented; `detail` has its words.",
    503: "Codat or a store of the hub is unavailable or has not answered: repeat the request.",
}
# What API Gateway answers by itself, as application/json (template.yaml: GatewayResponses).
BY_THE_GATEWAY: Final = {
    "403": "Not signed, signed wrongly, or by a role that may not do this.",
    "429": "Too many requests at once, or Codat's quota is used up: `Retry-After` says until when.",
    "504": "The hub did not answer in time. Repeat the request: what was done is kept.",
}
_ALWAYS: Final = (400, 404, 415, 500, 503)
# of routes that call Codat
CALLS_CODAT: Final = (409, 429, 502)


def answers(*problems: int, success: Mapping[int, str] | None = None) -> dict[int, OpenAPIResponse]:
    """Return the OpenAPI responses of a route: its successes, with what the route returns,

    these problems, and those that any route may answer.
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
    """Make a problem document of every exception."""
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
    """Return the answer; `retry_after` is in seconds."""
    document = ProblemDocument(
        type=f"{_TYPE}{name}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=list(fields),
        correlation_id=correlation_id,
    )
    headers: dict[str, str | list[str]] = {}
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, retry_after))
    body = json.dumps(document.model_dump(exclude_none=True))
    return Response(status, MEDIA_TYPE, body, headers=headers)


def invalid_shape(error: Any) -> Response[str]:
    """For Powertools' RequestValidationError: what pydantic found, in our words and fields."""
    fields = []
    for one in error.errors():
        if one["type"] == "json_invalid":
            fields.append(FieldProblem(field="body", message="not valid JSON"))
            continue
        field, message = _path(one["loc"]), str(one["msg"])
        fields.append(FieldProblem(field=field, message=message, value=_shown(one)))
    return problem(400, "invalid", "The request is not valid. Nothing was changed.", fields=fields)


def unsupported_content(_error: Exception) -> Response[str]:
    return problem(415, "unsupported-media-type", "Send the body as application/json.")


def no_such_path(_error: Exception) -> Response[str]:
    return problem(404, "no-such-path", "The API has no such path with this method.")


def unexpected(error: Exception) -> Response[str]:
    """For a fault of our own: the log has the stack, the caller learns nothing of it."""
    logger.error("request failed", exc_info=error)
    return problem(500, "unexpected", "The hub failed; its log has the cause.")


def _invalid(error: errors.Invalid) -> Response[str]:
    detail = "The request is not valid. Nothing was changed."
    return problem(400, "invalid", detail, fields=_fields(error.problems))


def _absent(error: errors.Absent) -> Response[str]:
    return problem(404, "not-found", str(error))


def _conflict(error: errors.Conflict) -> Response[str]:
    return problem(409, "conflict", str(error), fields=_fields(error.problems))


def _request_reused(error: errors.RequestReused) -> Response[str]:
    return problem(422, "idempotency-key-reused", str(error))


def _wrong_client(error: codat_errors.WrongClient) -> Response[str]:
    logger.error("wrong Codat client", cause=str(error))
    return problem(409, "wrong-codat-client", " ".join([str(error), *_notes(error)]))


def _unavailable(error: errors.Unavailable) -> Response[str]:
    logger.error("store unavailable", cause=str(error))
    detail = "A store of the hub did not answer. Repeat the request: what was done is kept."
    return problem(503, "unavailable", detail, retry_after=_SOON)


def _unreadable(error: errors.Unreadable) -> Response[str]:
    detail = (
        f"{error}: this version of the hub did not write it so. Put it right in the State table, or"
        " delete it (README, Refresh: an item that cannot be read)."
    )
    return problem(500, "item-unreadable", detail)


def _not_started(error: errors.NotStarted) -> Response[str]:
    logger.error("migration not started", cause=str(error))
    detail = "Step Functions did not start the migration, so nothing was changed. Start it again."
    return problem(503, "not-started", detail, retry_after=_SOON)


def call_failed(error: codat_errors.CallFailed) -> Response[str]:
    """For a failed call to Codat: its words, its correlation id, and whether to repeat."""
    logger.warning("call to Codat failed", kind=type(error).__name__, cause=str(error))
    match error:
        case codat_errors.RateLimited():
            status, name = 429, "codat-rate-limited"
            detail = "Codat's quota is used up."
        case codat_errors.OutcomeUnknown() | codat_errors.TryLater() | codat_errors.Busy():
            status, name = 503, "codat-unavailable"
            detail = (
                "Codat is unavailable or did not answer. Repeat the request: what was done is kept."
            )
        case codat_errors.Unauthorized():
            status, name = 502, "codat-key-refused"
            detail = "Codat refuses the API key. Store a valid one in the secret CodatApiKey."
        case codat_errors.Forbidden():
            status, name = 502, "codat-forbids"
            detail = "Codat's plan or permissions do not allow it."
        case codat_errors.NotFound():
            status, name = 404, "not-at-codat"
            detail = "Codat does not know it."
        case codat_errors.Permanent():
            status, name = 400, "codat-refused"
            detail = "Codat refused it."
        case _:
            status, name = 502, "codat-not-understood"
            detail = "Codat did not answer as documented."
    said = [f"Codat said: {error.error}"] if error.error and error.status else []
    wait = _wait(error) if status in {429, 503} else None
    return problem(
        status,
        name,
        " ".join([detail, *_notes(error), *said]),
        retry_after=wait,
        correlation_id=error.correlation_id,
    )


def _notes(error: Exception) -> list[str]:
    """Return what a use case added to a failure: what holds all the same, and what to do."""
    return getattr(error, "__notes__", [])


def _wait(error: codat_errors.CallFailed) -> int:
    if error.retry_at is not None:
        return int((error.retry_at - datetime.now(UTC)).total_seconds()) + 1
    return _SOON


def _fields(problems: Iterable[errors.Problem]) -> list[FieldProblem]:
    return [
        FieldProblem(
            field=one.field,
            message=one.message,
            value=None if one.value is None or _is_secret(one.field, one.value) else one.value,
            allowed=one.allowed,
        )
        for one in problems
    ]


def _path(location: Iterable[str | int]) -> str:
    """`("body", "products", 2, "kind")` -> `products[2].kind`."""
    text = ""
    for number, part in enumerate(location):
        if isinstance(part, int):
            text += f"[{part}]"
        elif not (number == 0 and part in {"body", "query", "path", "header"}):
            text += f".{part}" if text else part
    return text or "body"


def _shown(error: Mapping[str, Any]) -> str | None:
    value = error.get("input")
    if error["type"] == "missing" or not isinstance(value, str | int | float | bool):
        return None
    text = str(value)
    if _is_secret(_path(error["loc"]), text):
        return None
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _is_secret(field: str, text: str) -> bool:
    """Tell whether a value must not be quoted: by its field, or given in the wrong one."""
    return "secret" in field.lower() or text.startswith("whsec_")


_HANDLERS: Final[Mapping[type[Exception], Any]] = {
    errors.Invalid: _invalid,
    errors.Absent: _absent,
    errors.Conflict: _conflict,
    errors.RequestReused: _request_reused,
    codat_errors.WrongClient: _wrong_client,
    errors.Unavailable: _unavailable,
    errors.Unreadable: _unreadable,
    errors.NotStarted: _not_started,
    codat_errors.CallFailed: call_failed,
}
