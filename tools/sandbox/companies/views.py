"""Companies and connections as the API and the events show them (docs/codat.md, C25)."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from tools.sandbox.world.model import Company, Connection, ConnectionFault, Product
from tools.sandbox.world.moments import codat_date
from tools.sandbox.world.platforms import PLATFORMS


def company_details(company: Company) -> dict[str, Any]:
    """A company without its connections, as company.created and company.deleted carry it."""
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
    """A company in full, as the API answers it."""
    connections = [connection(of, one) for one in of.connections.values()]
    return company_details(of) | {"dataConnections": connections}


def reference(to: Company) -> dict[str, Any]:
    """`referenceCompany` of an event."""
    shown: dict[str, Any] = {
        "id": to.id,
        "name": to.name,
        "links": {"portal": f"https://app.codat.io/companies/{to.id}/summary"},
        "tags": dict(to.tags),
    }
    if to.description is not None:
        shown["description"] = to.description
    return shown


def connection(of: Company, one: Connection) -> dict[str, Any]:
    """A connection; the spec forbids any other property."""
    platform = PLATFORMS[one.platform_key]
    shown: dict[str, Any] = {
        "id": one.id,
        "integrationId": platform.integration_id,
        "integrationKey": platform.key,
        "sourceId": one.source_id,
        "platformName": platform.name,
        "linkUrl": f"https://link-api.codat.io/companies/{of.id}/connections/{one.id}/start",
        "status": one.status,
        "created": codat_date(one.created),
        "sourceType": platform.source_type,
    }
    if one.last_sync is not None:
        shown["lastSync"] = codat_date(one.last_sync)
    if one.errors:
        shown["dataConnectionErrors"] = [_fault(error) for error in one.errors]
    return shown


def product_change(of: Company, product: Product) -> dict[str, Any]:
    """The payload of company.product.added and .removed; `products` is the list afterwards."""
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
    """How to query a company's property; through its connections any of them may match."""
    if path in _COMPANY:
        return _COMPANY[path]
    head, _, rest = path.partition(".")
    if head == "tags" and rest:
        return lambda one: one.tags.get(rest)
    if head == "dataConnections" and (getter := connection_property(rest)):
        return lambda one: [getter(link) for link in one.connections.values()]
    return None


def connection_property(path: str) -> Callable[[Connection], Any] | None:
    """How to query a connection's property."""
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
    "platformName": lambda one: PLATFORMS[one.platform_key].name,
    "sourceType": lambda one: PLATFORMS[one.platform_key].source_type,
    "integrationId": lambda one: PLATFORMS[one.platform_key].integration_id,
}
