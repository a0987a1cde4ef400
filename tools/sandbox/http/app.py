"""The ASGI application serves Codat's API, /_sandbox and the page at the root."""

import uuid
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tools.sandbox.codat_api import company_routes, data_routes, webhook_routes
from tools.sandbox.http import unrouted
from tools.sandbox.http.exchange import Handler
from tools.sandbox.http.gateway import Gateway
from tools.sandbox.page import page
from tools.sandbox.portal import portal_tests, portal_webhooks, portal_world
from tools.sandbox.requests.errors import CodatError
from tools.sandbox.runtime import Sandbox

_COMPANY: Final = "/companies/{company_id}"
_PRODUCT: Final = f"{_COMPANY}/products/{{product}}"
_CONNECTION: Final = f"{_COMPANY}/connections/{{connection_id}}"

# The part of Codat's API that the sandbox serves. The first path that matches is used.
API: Final[list[tuple[str, str, Handler]]] = [
    ("GET", "/companies", company_routes.list_companies),
    ("POST", "/companies", company_routes.create_company),
    ("GET", _COMPANY, company_routes.get_company),
    ("PUT", _COMPANY, company_routes.replace_company),
    ("PATCH", _COMPANY, company_routes.update_company),
    ("DELETE", _COMPANY, company_routes.delete_company),
    ("PUT", _PRODUCT, company_routes.add_product),
    ("DELETE", _PRODUCT, company_routes.remove_product),
    ("POST", f"{_PRODUCT}/refresh", company_routes.refresh_product),
    ("GET", f"{_COMPANY}/connections", company_routes.list_connections),
    ("POST", f"{_COMPANY}/connections", company_routes.create_connection),
    ("GET", _CONNECTION, company_routes.get_connection),
    ("PATCH", _CONNECTION, company_routes.unlink_connection),
    ("DELETE", _CONNECTION, company_routes.delete_connection),
    ("GET", "/profile/syncSettings", data_routes.get_client_settings),
    ("POST", "/profile/syncSettings", data_routes.set_client_settings),
    ("GET", f"{_COMPANY}/syncSettings", data_routes.get_company_settings),
    ("POST", f"{_COMPANY}/syncSettings", data_routes.set_company_settings),
    ("POST", f"{_COMPANY}/data/all", data_routes.refresh_all),
    ("POST", f"{_COMPANY}/data/queue/{{data_type}}", data_routes.refresh_data_type),
    ("GET", f"{_COMPANY}/dataStatus", data_routes.data_status),
    ("GET", f"{_COMPANY}/data/history", data_routes.history),
    ("GET", f"{_COMPANY}/data/history/{{dataset_id}}", data_routes.history_entry),
    ("GET", f"{_COMPANY}/sync/{{dataset_id}}/validation", data_routes.validation),
    ("GET", f"{_COMPANY}/data/financials/{{kind}}", data_routes.financials),
    ("GET", f"{_COMPANY}/data/{{kind}}", data_routes.company_data),
    (
        "GET",
        f"{_CONNECTION}/data/bankAccounts/{{account_id}}/bankTransactions",
        data_routes.bank_transactions,
    ),
    ("GET", f"{_CONNECTION}/data/{{kind}}", data_routes.connection_data),
    ("GET", "/webhooks", webhook_routes.list_consumers),
    ("POST", "/webhooks", webhook_routes.create_consumer),
    ("DELETE", "/webhooks/{webhook_id}", webhook_routes.delete_consumer),
]


def create_app(sandbox: Sandbox) -> Starlette:
    """Return the application; its caller also runs `sandbox.run()`."""
    gateway = Gateway(sandbox)

    async def root(request: Request) -> Response:
        return page.respond(sandbox, request)

    async def icon(_: Request) -> Response:
        return Response(status_code=204)

    # Browsers ask for the icon by themselves, which is no request to Codat's API.
    routes = [Route("/", root, methods=["GET"]), Route("/favicon.ico", icon, methods=["GET"])]
    for method, path, handler in API:
        routes.append(Route(path, gateway.endpoint(handler), methods=[method]))
    parts = (portal_webhooks.portal, portal_world.portal, portal_tests.portal)
    portal = [route for part in parts for route in part.routes(sandbox)]
    routes += [*portal, unrouted.of_the_portal(portal)]
    rest = gateway.endpoint(unrouted.of_the_api((method, path) for method, path, _ in API))
    routes.append(Route("/{path:path}", rest, methods=unrouted.METHODS))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    app.router.redirect_slashes = False
    return app


async def _http_error(_: Request, error: Exception) -> Response:
    """Refuse a method that HTTP does not know, in Codat's error body."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "Not found.", 405: "Method not allowed."}.get(status, str(error))
    headers = error.headers if isinstance(error, HTTPException) else None
    body = CodatError(status, words).body(uuid.uuid4().hex)
    return JSONResponse(body, status_code=status, headers=headers)
