"""Routing of /_sandbox: for this machine only, with answers that say what is wrong."""

import inspect
import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tools.sandbox.portal.contract import BadInput, problems_of
from tools.sandbox.requests import strict_json
from tools.sandbox.requests.errors import CodatError
from tools.sandbox.runtime import Sandbox

# The ready line has 0.0.0.0 or :: if the sandbox listens there.
_OWN_NAMES: Final = frozenset({"localhost", "0.0.0.0", "::"})  # noqa: S104  # nosec B104  # binds nothing

type Action = Callable[..., Any]


class Portal:
    """A set of actions; an action takes the sandbox, the path's parameters and a checked body."""

    def __init__(self) -> None:
        self._actions: list[tuple[str, str, Action]] = []

    def get[A: Action](self, path: str) -> Callable[[A], A]:
        """Register an action that only reads."""
        return self._register("GET", path)

    def post[A: Action](self, path: str) -> Callable[[A], A]:
        """Register an action that changes something."""
        return self._register("POST", path)

    def put[A: Action](self, path: str) -> Callable[[A], A]:
        """Register an action that sets something."""
        return self._register("PUT", path)

    def delete[A: Action](self, path: str) -> Callable[[A], A]:
        """Register an action that clears something."""
        return self._register("DELETE", path)

    def routes(self, sandbox: Sandbox) -> list[Route]:
        """Return the actions as routes under /_sandbox."""
        return [
            Route(f"/_sandbox{path}", _endpoint(sandbox, action), methods=[method])
            for method, path, action in self._actions
        ]

    def _register[A: Action](self, method: str, path: str) -> Callable[[A], A]:
        def keep(action: A) -> A:
            self._actions.append((method, path, action))
            return action

        return keep


def is_local(request: Request) -> bool:
    """Tell whether the peer is this machine and asked for it by a local name.

    A web page can make its own name resolve to this machine, but cannot change the name it asks.
    """
    peer = request.client.host if request.client else ""
    host = request.url.hostname or ""
    return _is_loopback(peer) and (host in _OWN_NAMES or _is_loopback(host))


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def refusal() -> JSONResponse:
    """Return the answer that another machine gets."""
    return JSONResponse(
        {"error": "/_sandbox answers to this machine only, at localhost or 127.0.0.1."},
        status_code=403,
    )


def _endpoint(sandbox: Sandbox, action: Action) -> Callable[[Request], Awaitable[Response]]:
    body_type = _body_type(action)

    async def respond(request: Request) -> Response:
        if not is_local(request):
            return refusal()
        sandbox.tick()
        arguments: list[Any] = [sandbox, dict(request.query_params) | request.path_params]
        try:
            if body_type:
                arguments.append(body_type.model_validate(_json(await request.body())))
            result = action(*arguments)
        except ValidationError as error:
            return _problems(problems_of(error), 422)
        except BadInput as error:
            return _problems(error.problems, error.status)
        except CodatError as error:
            return JSONResponse({"error": error.error}, status_code=error.status)
        sandbox.wake()
        return JSONResponse(result)

    return respond


def _body_type(action: Action) -> type[BaseModel] | None:
    wanted = list(inspect.signature(action).parameters.values())[2:]
    return wanted[0].annotation if wanted else None


def _json(raw: bytes) -> Any:
    if not raw:
        return {}
    try:
        return strict_json.loads(raw)
    except ValueError:
        raise BadInput("body", raw.decode(errors="replace")[:200], "JSON", status=400) from None


def _problems(problems: list[dict[str, Any]], status: int) -> JSONResponse:
    words = "; ".join(f"{p['field']}: {p['value']!r}; allowed: {p['allowed']}" for p in problems)
    body = {"error": words, "problems": problems}
    return JSONResponse(json.loads(json.dumps(body, default=str)), status_code=status)
