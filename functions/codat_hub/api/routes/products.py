"""The routes of /products: the registry of products."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final, cast

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import BaseModel, Field

from codat_hub.api.fields import ProductId, RequestModel, Text
from codat_hub.api.resource import Resource
from codat_hub.codat.domain.data_types import DATA_TYPES
from codat_hub.products.domain.product import Product, ProductKind, Schedule
from codat_hub.products.usecases.registry import Applied

routes: Final = Resource("products")


class ScheduleFields(RequestModel):
    """When a product is refreshed.

    `expression`: `rate(…)` or `cron(…)` of EventBridge Scheduler. `timezone`: an IANA time zone.
    """

    expression: Annotated[str, Field(examples=["cron(0 23 * * ? *)", "rate(6 hours)"])]
    timezone: str = "UTC"
    enabled: bool = True


class ProductFields(RequestModel):
    """A registered product. `consent_text_version`: the text that customers agree to now."""

    kind: Annotated[str, Field(json_schema_extra={"enum": [kind.value for kind in ProductKind]})]
    name: Text | None = None
    data_types: Annotated[
        list[Annotated[str, Field(json_schema_extra={"enum": list(DATA_TYPES)})]],
        Field(max_length=100, default_factory=list),
    ]
    schedule: ScheduleFields | None = None
    team: Text | None = None
    consent_text_version: Text | None = None

    def named(self, identifier: str) -> Product:
        # an unknown kind is refused later, together with all other problems
        schedule = self.schedule
        kind = (
            ProductKind(self.kind)
            if self.kind in set(ProductKind)
            else cast("ProductKind", self.kind)
        )
        return Product(
            identifier=identifier,
            kind=kind,
            name=self.name,
            data_types=tuple(self.data_types),
            schedule=None if schedule is None else Schedule(**schedule.model_dump()),
            team=self.team,
            consent_text_version=self.consent_text_version,
        )


class NamedProduct(ProductFields):
    """A registered product with its identifier, which is Codat's."""

    product: str

    @classmethod
    def of(cls, product: Product) -> NamedProduct:
        schedule = product.schedule
        return cls(
            product=product.identifier,
            kind=product.kind.value,
            name=product.name,
            data_types=list(product.data_types),
            schedule=None if schedule is None else ScheduleFields(**asdict(schedule)),
            team=product.team,
            consent_text_version=product.consent_text_version,
        )


class ProductList(RequestModel):
    """All products of the registry."""

    products: list[NamedProduct]


class ProductChange(BaseModel):
    """What happens to a product.

    `change`: added, changed, removed or unchanged. `fields`: the fields that change.
    """

    product: str
    change: str
    fields: list[str] = []


class ProductChanges(BaseModel):
    """What a request changes in the registry.

    `applied`: false for a dry run. `scheduled`: the products whose schedule was changed.
    """

    applied: bool
    changes: list[ProductChange]
    warnings: list[str] = []
    scheduled: list[str] = []

    @classmethod
    def of(cls, applied: Applied, *, dry_run: bool = False) -> ProductChanges:
        return cls(
            applied=not dry_run,
            changes=[ProductChange(**asdict(change)) for change in applied.changes],
            warnings=list(applied.warnings),
            scheduled=list(applied.scheduled),
        )


@routes.get("/products", "List the registered products")
def list_products() -> ProductList:
    products = routes.hub.registry.products()
    return ProductList(products=[NamedProduct.of(product) for product in products.values()])


@routes.put(
    "/products", "Replace the whole registry; with dry_run, only show what would change", 409
)
def apply_products(
    body: Annotated[ProductList, Body()], dry_run: Annotated[bool, Query()] = False
) -> ProductChanges:
    products = [fields.named(fields.product) for fields in body.products]
    applied = routes.hub.registry.apply(products, routes.caller, dry_run=dry_run)
    return ProductChanges.of(applied, dry_run=dry_run)


@routes.get("/products/<product>", "Show one product")
def show_product(product: ProductId) -> NamedProduct:
    return NamedProduct.of(routes.hub.registry.product(product))


@routes.put("/products/<product>", "Register a product, or change it", 409)
def register_product(product: ProductId, body: Annotated[ProductFields, Body()]) -> ProductChanges:
    return ProductChanges.of(routes.hub.registry.put(body.named(product), routes.caller))


@routes.delete("/products/<product>", "Unregister a product that no company has", 409)
def unregister_product(product: ProductId) -> ProductChanges:
    return ProductChanges.of(routes.hub.registry.remove(product, routes.caller))
