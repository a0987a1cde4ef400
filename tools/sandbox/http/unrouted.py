"""Requests that no route matches get a 404 or 405 through the same gateway as others."""

import uuid
from collections.abc import Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, compile_path

from tools.sandbox.http.exchange import Answer, Call, Handler
from tools.sandbox.portal.portal import is_local, refusal
from tools.sandbox.requests.errors import CodatError
from tools.sandbox.runtime import Sandbox

METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def of_the_api(calls: Iterable[tuple[str, str]]) -> Handler:
    """Return a handler that knows the methods of the API's paths."""
    known = [(method, compile_path(path)[0]) for method, path in calls]

    def answer(_: Sandbox, call: Call) -> Answer:
        methods = sorted({method for method, path in known if path.match(call.path)})
        if not methods:
            raise CodatError(404, "Not found.")
        body = CodatError(405, "Method not allowed.").body(uuid.uuid4().hex)
        return Answer(405, body, {"Allow": ", ".join(methods)})

    return answer


def of_the_portal(routes: list[Route]) -> Route:
    """Return the last route under /_sandbox, whose answer names the missing path or method."""

    async def respond(request: Request) -> Response:
        if not is_local(request):
            return refusal()
        path = request.url.path
        known = [route for route in routes if route.path_regex.match(path)]
        methods = sorted({method for route in known for method in route.methods or ()} - {"HEAD"})
        problem = {
            "field": "method" if methods else "path",
            "value": request.method if methods else path,
            "allowed": ", ".join(methods) or "a path of the contract in tools/sandbox/README.md",
        }
        words = "; allowed: ".join(
            [f"{problem['field']}: {problem['value']!r}", problem["allowed"]]
        )
        return JSONResponse(
            {"error": words, "problems": [problem]},
            status_code=405 if methods else 404,
            headers={"Allow": ", ".join(methods)} if methods else None,
        )

    return Route("/_sandbox{rest:path}", respond, methods=METHODS)
