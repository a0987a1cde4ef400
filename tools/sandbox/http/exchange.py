"""A request and an answer do not depend on a web framework."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.sandbox.requests import strict_json
from tools.sandbox.requests.errors import invalid_request

if TYPE_CHECKING:
    from tools.sandbox.runtime import Sandbox

type Handler = Callable[["Sandbox", "Call"], "Answer"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `params` are those of the path."""

    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    raw_query: str
    body: bytes
    idempotency_key: str | None

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object, or raise Codat's 400."""
        try:
            body = strict_json.loads(self.body)
        except ValueError:
            raise invalid_request("The body is not JSON.") from None
        if not isinstance(body, dict):
            raise invalid_request("The body must be a JSON object.")
        return body


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body; without a body and a raw body nothing is sent."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    # A body that is sent as it is, whatever its content-type in `headers`.
    raw: str | None = None
    # It is the kept answer to an idempotency key, which the client cannot see.
    replayed: bool = False

    def text(self) -> str:
        """Return the body as it is sent."""
        if self.raw is not None:
            return self.raw
        if self.body is None:
            return ""
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False)
