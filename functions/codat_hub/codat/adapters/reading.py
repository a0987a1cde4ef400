"""A 2xx answer to what the caller wanted, or NotUnderstood: never pydantic's own exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from codat_hub.codat.adapters.answers import Answer
from codat_hub.codat.adapters.failures import parse_error_body, tidy
from codat_hub.codat.errors import NotUnderstood

if TYPE_CHECKING:
    from codat_hub.codat.adapters.answers import Call, Received


def parsed[M: BaseModel](call: Call, received: Received, model: type[M]) -> Answer[M]:
    """The body as `model`. Raises NotUnderstood, which says where, not what: bodies are data."""
    try:
        value = model.model_validate_json(received.body)
    except ValidationError as exc:
        trouble = _where(exc)
    else:
        return Answer(value, received.status, received.quota)
    raise _not_understood(call, received, trouble)


def done(call: Call, received: Received) -> Answer[None]:
    """For calls that answer 202 or 204. Raises NotUnderstood for a body that is not even JSON."""
    if received.body.strip():
        try:
            from_json(received.body)
        except ValueError:
            raise _not_understood(call, received, "not JSON") from None
    return Answer(None, received.status, received.quota)


def _where(exc: ValidationError) -> str:
    found = exc.errors(include_url=False, include_context=False, include_input=False)
    places = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['type']}" for e in found[:3]]
    return tidy(", ".join(places))


def _not_understood(call: Call, received: Received, trouble: str) -> NotUnderstood:
    return NotUnderstood(
        f"unexpected answer ({received.redact(trouble)})",
        status=received.status,
        call=str(call),
        correlation_id=parse_error_body(received.body).reference(received.redact),
        quota=received.quota,
    )
