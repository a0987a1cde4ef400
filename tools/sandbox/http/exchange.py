"""A request and an answer, free of any web framework."""

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
    """A request: `params` are those of the path."""

    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    raw_query: str
    body: bytes
    idempotency_key: str | None

    def json_object(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        try:
            body = strict_json.loads(self.body)
        except ValueError:
            raise invalid_request("The body is not JSON.") from None
        if not isinstance(body, dict):
            raise invalid_request("The body must be a JSON object.")
        return body


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body; no body at all if it is None and there is no raw one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    # A body that is sent as it is, whatever its content-type in `headers`.
    raw: str | None = None
    # It is the kept answer to an idempotency key; the client is not told.
    replayed: bool = False

    def text(self) -> str:
        """The body as sent."""
        if self.raw is not None:
            return self.raw
        if self.body is None:
            return ""
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False)
