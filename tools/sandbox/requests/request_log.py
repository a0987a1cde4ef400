"""The log of API requests is for tests to look at."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tools.sandbox.requests import strict_json

MOST_KEPT: Final = 20_000
# Of a longer body only the beginning is kept, as text.
LONGEST_BODY: Final = 32_768


@dataclass(slots=True)
class LoggedRequest:
    """One request; `status` is None until it is answered."""

    n: int
    time: datetime
    method: str
    path: str
    query: str
    body: bytes
    idempotency_key: str | None
    status: int | None = None
    replayed: bool = False

    def view(self) -> dict[str, Any]:
        """Show the request as /_sandbox/requests does."""
        return {
            "n": self.n,
            "time": self.time.isoformat(),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "body": _readable(self.body),
            "idempotencyKey": self.idempotency_key,
            "status": self.status,
            "replayed": self.replayed,
        }


class RequestLog:
    """The latest requests; even a reset does not start their numbers again."""

    def __init__(self, last: int = 0) -> None:
        self._requests: deque[LoggedRequest] = deque(maxlen=MOST_KEPT)
        self.last = last

    def add(
        self,
        time: datetime,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        idempotency_key: str | None = None,
    ) -> LoggedRequest:
        """Log a request as it comes in."""
        self.last += 1
        body = body[:LONGEST_BODY]
        request = LoggedRequest(self.last, time, method, path, query, body, idempotency_key)
        self._requests.append(request)
        return request

    def after(self, number: int) -> list[dict[str, Any]]:
        """Return the requests with a greater number."""
        return [request.view() for request in self._requests if request.n > number]

    def clear(self) -> None:
        """Forget the requests so far."""
        self._requests.clear()


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return strict_json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
