"""Codat's API: companies, their products and connections."""

from collections.abc import Callable
from typing import Any

from tools.sandbox.companies import companies, connections, products, views
from tools.sandbox.http.exchange import Answer, Call
from tools.sandbox.requests.errors import invalid_request
from tools.sandbox.requests.paging import Listing, page_of, tagged
from tools.sandbox.runtime import Sandbox
from tools.sandbox.world.model import Company


def list_companies(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies."""
    every = sandbox.world.state.companies.values()
    chosen = tagged(every, call.query.get("tags", ""), _tag)
    listing = Listing(chosen, views.company, views.company_property, "Company")
    return Answer(200, page_of(listing, call.path, call.query))


def create_company(sandbox: Sandbox, call: Call) -> Answer:
    """POST /companies."""
    return Answer(200, views.company(companies.create(sandbox.world, call.json_object())))


def get_company(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}."""
    return Answer(200, views.company(company_of(sandbox, call)))


def replace_company(sandbox: Sandbox, call: Call) -> Answer:
    """PUT /companies/{companyId}."""
    company = company_of(sandbox, call)
    companies.replace(company, call.json_object())
    return Answer(200, views.company(company))


def update_company(sandbox: Sandbox, call: Call) -> Answer:
    """PATCH /companies/{companyId}."""
    company = company_of(sandbox, call)
    companies.update(company, call.json_object())
    return Answer(200, views.company(company))


def delete_company(sandbox: Sandbox, call: Call) -> Answer:
    """DELETE /companies/{companyId}."""
    companies.delete(sandbox.world, company_of(sandbox, call))
    return Answer(204)


def add_product(sandbox: Sandbox, call: Call) -> Answer:
    """PUT /companies/{companyId}/products/{productIdentifier}."""
    products.assign(sandbox.world, company_of(sandbox, call), call.params["product"])
    return Answer(204)


def remove_product(sandbox: Sandbox, call: Call) -> Answer:
    """DELETE /companies/{companyId}/products/{productIdentifier}."""
    products.remove(sandbox.world, company_of(sandbox, call), call.params["product"])
    return Answer(204)


def refresh_product(sandbox: Sandbox, call: Call) -> Answer:
    """POST /companies/{companyId}/products/{productIdentifier}/refresh; the body is optional."""
    company = company_of(sandbox, call)
    body = call.json_object() if call.body else {}
    products.refresh(sandbox.world, company, call.params["product"], body)
    return Answer(202)


def list_connections(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/connections."""
    company = company_of(sandbox, call)
    listing = Listing(
        company.connections.values(),
        lambda connection: views.connection(company, connection),
        views.connection_property,
        "DataConnection",
    )
    return Answer(200, page_of(listing, call.path, call.query))


def create_connection(sandbox: Sandbox, call: Call) -> Answer:
    """POST /companies/{companyId}/connections."""
    company = company_of(sandbox, call)
    platform_key = call.json_object().get("platformKey")
    connection = connections.create(sandbox.world, company, str(platform_key))
    return Answer(200, views.connection(company, connection))


def get_connection(sandbox: Sandbox, call: Call) -> Answer:
    """GET /companies/{companyId}/connections/{connectionId}."""
    company = company_of(sandbox, call)
    connection = connections.find(company, call.params["connection_id"])
    return Answer(200, views.connection(company, connection))


def unlink_connection(sandbox: Sandbox, call: Call) -> Answer:
    """PATCH /companies/{companyId}/connections/{connectionId}: `Unlinked` is all it takes."""
    company = company_of(sandbox, call)
    connection = connections.find(company, call.params["connection_id"])
    status = call.json_object().get("status")
    if status is not None and status != connections.UNLINKED:
        raise invalid_request("status can be set to Unlinked only.")
    if status and connection.status != connections.UNLINKED:
        connections.unlink(sandbox.world, company, connection, by_customer=False)
    return Answer(200, views.connection(company, connection))


def delete_connection(sandbox: Sandbox, call: Call) -> Answer:
    """DELETE /companies/{companyId}/connections/{connectionId}."""
    company = company_of(sandbox, call)
    connection = connections.find(company, call.params["connection_id"])
    connections.delete(sandbox.world, company, connection)
    return Answer(200)


def company_of(sandbox: Sandbox, call: Call) -> Company:
    """Return the company of the path, or raise Codat's 404."""
    return sandbox.world.company(call.params["company_id"])


def _tag(name: str) -> Callable[[Company], Any]:
    return lambda company: company.tags.get(name)
