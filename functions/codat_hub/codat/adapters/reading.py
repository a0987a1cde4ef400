"""The value of a 2xx answer, or NotUnderstood, never pydantic's own exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from codat_hub.codat.adapters.answers import Answer
from codat_hub.codat.adapters.failures import parse_error_body, tidy
from codat_hub.codat.errors import NotUnderstood

if TYPE_CHECKING:
    from codat_hub.codat.adapters.answers import Call, HttpAnswer


def parsed[M: BaseModel](call: Call, received: HttpAnswer, model: type[M]) -> Answer[M]:
    """Return the body as `model`. Raises NotUnderstood, which names the place, not the content."""
    try:
        value = model.model_validate_json(received.body)
    except ValidationError as exc:
        fault = _where(exc)
    else:
        return Answer(value, received.status, received.quota)
    raise _not_understood(call, received, fault)


def done(call: Call, received: HttpAnswer) -> Answer[None]:
    """Return the answer of a call without a value. Raises NotUnderstood for a body without JSON."""
    if received.body.strip():
        try:
            from_json(received.body)
        except ValueError:
            raise _not_understood(call, received, "not JSON") from None
    return Answer(None, received.status, received.quota)


def _where(exc: ValidationError) -> str:
    faults = exc.errors(include_url=False, include_context=False, include_input=False)
    places = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['type']}" for e in faults[:3]]
    return tidy(", ".join(places))


def _not_understood(call: Call, received: HttpAnswer, fault: str) -> NotUnderstood:
    return NotUnderstood(
        f"unexpected answer ({received.redact(fault)})",
        status=received.status,
        call=str(call),
        correlation_id=parse_error_body(received.body).reference(received.redact),
        quota=received.quota,
    )
