"""The value of a 2xx answer, or NotUnderstood, never pydantic's own exception."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from codat_hub.codat.adapters.answers import Answer
from codat_hub.codat.adapters.elements import where
from codat_hub.codat.adapters.failures import parse_error_body
from codat_hub.codat.adapters.paths import is_encodable
from codat_hub.codat.errors import NotUnderstood

if TYPE_CHECKING:
    from codat_hub.codat.adapters.answers import Call, HttpAnswer


_LONGEST_INTEGER: Final = 1000  # digits; Python reads no integer of more than 4300

_NO_TEXT: Final = float("nan")  # every field that is a text refuses it


def parsed[M: BaseModel](call: Call, received: HttpAnswer, model: type[M]) -> Answer[M]:
    """Return the body as `model`. Raises NotUnderstood, which names the place, not the content."""
    try:
        value = _value(received.body, model)
    except ValidationError as exc:
        fault = where(exc)
    else:
        return Answer(value, received.status, received.quota)
    raise _not_understood(call, received, fault)


def _value[M: BaseModel](body: bytes, model: type[M]) -> M:
    """Read the body strictly, or else so that a text or number of one element costs no list."""
    try:
        return model.model_validate_json(body)
    except ValidationError as strict:
        try:
            content = _leniently(body)
        except (ValueError, RecursionError):
            raise strict from None
        return model.model_validate(content)


def _leniently(body: bytes) -> Any:
    """Return JSON with broken UTF-8, lone surrogates, control characters or endless numbers."""
    text = body.decode("utf-8", "surrogateescape")
    return json.loads(text, strict=False, parse_int=_integer, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object with each text that cannot be encoded replaced by no text."""
    return {
        name.encode("ascii", "backslashreplace").decode(): (
            [_encodable(part) for part in value] if isinstance(value, list) else _encodable(value)
        )
        for name, value in pairs
    }


def _encodable(value: Any) -> Any:
    return _NO_TEXT if isinstance(value, str) and not is_encodable(value) else value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _LONGEST_INTEGER else float(digits)


def done(call: Call, received: HttpAnswer) -> Answer[None]:
    """Return the answer of a call without a value. Raises NotUnderstood for a body without JSON."""
    if received.body.strip():
        try:
            from_json(received.body)
        except ValueError:
            raise _not_understood(call, received, "not JSON") from None
    return Answer(None, received.status, received.quota)


def _not_understood(call: Call, received: HttpAnswer, fault: str) -> NotUnderstood:
    return NotUnderstood(
        f"unexpected answer ({received.redact(fault)})",
        status=received.status,
        call=str(call),
        correlation_id=parse_error_body(received.body).reference(received.redact),
        quota=received.quota,
    )
