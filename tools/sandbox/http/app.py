"""The ASGI application: Codat's API, /_sandbox, and the page at the root."""

import uuid

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tools.sandbox.errors import CodatError
from tools.sandbox.http import portal_tests, portal_webhooks, webhook_routes
from tools.sandbox.http.exchange import Handler
from tools.sandbox.http.gateway import Gateway
from tools.sandbox.runtime import Sandbox

API: list[tuple[str, str, Handler]] = [
    ("GET", "/webhooks", webhook_routes.list_consumers),
    ("POST", "/webhooks", webhook_routes.create_consumer),
    ("DELETE", "/webhooks/{webhook_id}", webhook_routes.delete_consumer),
]


def create_app(sandbox: Sandbox) -> Starlette:
    """The application; who runs it also runs `sandbox.run()`."""
    gateway = Gateway(sandbox)
    api = [
        Route(path, gateway.endpoint(handler), methods=[method]) for method, path, handler in API
    ]
    portals = [portal_webhooks.portal, portal_tests.portal]
    return Starlette(
        routes=[*api, *(route for portal in portals for route in portal.routes(sandbox))],
        exception_handlers={HTTPException: _http_error},
    )


async def _http_error(_: Request, error: Exception) -> Response:
    """404 and 405 for what is no part of Codat's API, in Codat's error body."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "Not found.", 405: "Method not allowed."}.get(status, str(error))
    headers = error.headers if isinstance(error, HTTPException) else None
    body = CodatError(status, words).body(uuid.uuid4().hex)
    return JSONResponse(body, status_code=status, headers=headers)
