"""Companies and connections as the API and the events show them (docs/codat.md, C25)."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from tools.sandbox.world.model import Company, Connection, ConnectionFault, Product
from tools.sandbox.world.moments import codat_date
from tools.sandbox.world.platforms import PLATFORMS


def company_details(company: Company) -> dict[str, Any]:
    """Show a company without connections, as company.created and company.deleted have it."""
    details: dict[str, Any] = {
        "id": company.id,
        "name": company.name,
        "redirect": f"https://link.codat.io/company/{company.id}",
        "created": codat_date(company.created),
        "products": list(company.products),
        "tags": dict(company.tags),
        "referenceSubsidiaryCompanies": [],
    }
    if company.description is not None:
        details["description"] = company.description
    if company.created_by is not None:
        details["createdByUserName"] = company.created_by
    if company.last_sync is not None:
        details["lastSync"] = codat_date(company.last_sync)
    return details


def company(of: Company) -> dict[str, Any]:
    """Show a whole company, as the API does."""
    connections = [connection(of, link) for link in of.connections.values()]
    return company_details(of) | {"dataConnections": connections}


def reference(to: Company) -> dict[str, Any]:
    """Show the `referenceCompany` of an event."""
    shown: dict[str, Any] = {
        "id": to.id,
        "name": to.name,
        "links": {"portal": f"https://app.codat.io/companies/{to.id}/summary"},
        "tags": dict(to.tags),
    }
    if to.description is not None:
        shown["description"] = to.description
    return shown


def connection(of: Company, link: Connection) -> dict[str, Any]:
    """Show a connection; the specification forbids any other property."""
    platform = PLATFORMS[link.platform_key]
    shown: dict[str, Any] = {
        "id": link.id,
        "integrationId": platform.integration_id,
        "integrationKey": platform.key,
        "sourceId": link.source_id,
        "platformName": platform.name,
        "linkUrl": f"https://link-api.codat.io/companies/{of.id}/connections/{link.id}/start",
        "status": link.status,
        "created": codat_date(link.created),
        "sourceType": platform.source_type,
    }
    if link.last_sync is not None:
        shown["lastSync"] = codat_date(link.last_sync)
    if link.errors:
        shown["dataConnectionErrors"] = [_fault(error) for error in link.errors]
    return shown


def product_change(of: Company, product: Product) -> dict[str, Any]:
    """Show the payload of company.product.added and .removed; `products` is the new list."""
    shown: dict[str, Any] = {
        "id": of.id,
        "name": of.name,
        "productId": product.identifier,
        "productName": product.name,
        "products": list(of.products),
    }
    if of.description is not None:
        shown["description"] = of.description
    return shown


def company_property(path: str) -> Callable[[Company], Any] | None:
    """Return how to query a company's property; of its connections any may match."""
    if path in _COMPANY:
        return _COMPANY[path]
    head, _, rest = path.partition(".")
    if head == "tags" and rest:
        return lambda company: company.tags.get(rest)
    if head == "dataConnections" and (getter := connection_property(rest)):
        return lambda company: [getter(link) for link in company.connections.values()]
    return None


def connection_property(path: str) -> Callable[[Connection], Any] | None:
    """Return how to query a connection's property."""
    return _CONNECTION.get(path)


def _fault(error: ConnectionFault) -> dict[str, Any]:
    return {
        "statusCode": error.status_code,
        "statusText": error.text,
        "errorMessage": error.text,
        "erroredOnUtc": codat_date(error.at),
        "status": "Active",
    }


_COMPANY: dict[str, Callable[[Company], Any]] = {
    "id": attrgetter("id"),
    "name": attrgetter("name"),
    "description": attrgetter("description"),
    "created": attrgetter("created"),
    "createdByUserName": attrgetter("created_by"),
    "lastSync": attrgetter("last_sync"),
}
_CONNECTION: dict[str, Callable[[Connection], Any]] = {
    "id": attrgetter("id"),
    "status": attrgetter("status"),
    "created": attrgetter("created"),
    "lastSync": attrgetter("last_sync"),
    "sourceId": attrgetter("source_id"),
    "integrationKey": attrgetter("platform_key"),
    "platformName": lambda connection: PLATFORMS[connection.platform_key].name,
    "sourceType": lambda connection: PLATFORMS[connection.platform_key].source_type,
    "integrationId": lambda connection: PLATFORMS[connection.platform_key].integration_id,
}
