"""Assign, remove and refresh the products of a company (docs/codat.md, C18, C57)."""

from typing import Any

from tools.sandbox.companies import views
from tools.sandbox.reads import reads, windows
from tools.sandbox.requests.errors import (
    READ_IN_PROGRESS,
    CodatError,
    invalid_data_types,
    invalid_request,
    refresh_not_supported,
)
from tools.sandbox.settings import schedules
from tools.sandbox.world.model import Company, Product
from tools.sandbox.world.world import World


def find(world: World, identifier: str) -> Product:
    """Return the product, or raise a 404 in our wording, as Codat publishes none."""
    if product := world.state.products.get(identifier):
        return product
    raise CodatError(404, f"No product was found with identifier {identifier}")


def assign(world: World, company: Company, identifier: str) -> None:
    """Add a product and fetch its data types; a second time changes nothing."""
    product = find(world, identifier)
    if identifier in company.products:
        return
    company.products.append(identifier)
    world.emit("company.product.added", views.product_change(company, product), about=company)
    targets = reads.targets(company, product.data_types)
    reads.start(world, company, identifier if product.custom else None, targets, initial=True)
    schedules.plan_product(world, company, product, schedules.interval(product))


def remove(world: World, company: Company, identifier: str) -> None:
    """Remove a product and cancel its running read; cached data stays."""
    product = find(world, identifier)
    _require_assigned(company, product)
    company.products.remove(identifier)
    if product.custom:
        reads.cancel(world, company, identifier)
    windows.forget_product(company, identifier)
    company.plans.pop(identifier, None)
    world.emit("company.product.removed", views.product_change(company, product), about=company)


def refresh(world: World, company: Company, identifier: str, body: dict[str, Any]) -> None:
    """Start a read of a custom product, of all its data types or of some."""
    product = find(world, identifier)
    _require_assigned(company, product)
    if not product.custom:
        raise CodatError(400, refresh_not_supported(product.name).error)
    data_types = _named_types(body, product)
    if reads.is_locked(world, company, identifier):
        raise CodatError(400, READ_IN_PROGRESS)
    reads.start(world, company, identifier, reads.targets(company, data_types))


def _require_assigned(company: Company, product: Product) -> None:
    if product.identifier not in company.products:
        raise CodatError(
            404, f"Product {product.identifier} is not assigned to company {company.id}"
        )


def _named_types(body: dict[str, Any], product: Product) -> list[str]:
    if unknown := sorted(set(body) - {"dataTypes"}):
        raise invalid_request(f"Unknown properties: {', '.join(unknown)}.")
    named = body.get("dataTypes", product.data_types)
    if not isinstance(named, list) or not all(isinstance(data_type, str) for data_type in named):
        raise invalid_request("dataTypes must be a list of data types.")
    if wrong := [data_type for data_type in named if data_type not in product.data_types]:
        raise invalid_data_types(wrong, product.data_types)
    return named or product.data_types
